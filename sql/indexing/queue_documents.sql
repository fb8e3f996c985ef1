-- Trigger: which search indexes have to read the documents just written?
create or replace function ragpg_internal.queue_documents() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
declare
    moved record;
begin
    if tg_op = 'UPDATE' then
        -- What is cut and embedded is as it was: the chunks are the new version's, too.
        for moved in
            with carried as (
                update ragpg.index_documents as state
                set document_version = later.version
                from written as later
                join replaced as earlier on earlier.id = later.id
                where state.document_id = later.id
                    and state.document_version = earlier.version
                    and state.pending_since is null
                    and later.version <> earlier.version
                    and (later.content, later.title, later.media_type, later.page_starts)
                        is not distinct from
                        (earlier.content, earlier.title, earlier.media_type, earlier.page_starts)
                    and (later.tenant, later.collection_id, later.metadata -> 'language')
                        is not distinct from
                        (earlier.tenant, earlier.collection_id, earlier.metadata -> 'language')
                returning state.index_id, state.document_id, state.document_version
            )
            select
                carried.index_id, carried.document_version,
                array_agg(carried.document_id) as document_ids
            from carried
            group by carried.index_id, carried.document_version
        loop
            if ragpg_internal.is_distributed() then
                perform ragpg_internal.carry_chunks(
                    moved.index_id, moved.document_ids, moved.document_version
                );
                continue;
            end if;
            update ragpg.chunks as chunk
            set document_version = moved.document_version
            where chunk.index_id = moved.index_id
                and chunk.document_id = any(moved.document_ids);
        end loop;
        if ragpg_internal.is_distributed() then
            -- On one server the foreign key does.
            for moved in
                select later.tenant, array_agg(later.id) as document_ids
                from written as later
                join replaced as earlier on earlier.id = later.id
                where earlier.tenant <> later.tenant
                group by later.tenant
            loop
                perform ragpg_internal.give_chunks(moved.document_ids, moved.tenant);
            end loop;
        end if;
    end if;
    insert into ragpg.index_documents as state (index_id, document_id, pending_since, tenant)
    select recipe.id, written.id, now(), written.tenant
    from written
    join ragpg.search_indexes as recipe on recipe.collection_id = written.collection_id
    left join ragpg.index_documents as known
        on known.index_id = recipe.id and known.document_id = written.id
    where known.document_version is distinct from written.version
    on conflict on constraint index_documents_pkey do update
    set pending_since = coalesce(state.pending_since, excluded.pending_since),
        attempts = 0,
        error = null,
        next_attempt_at = default;
    notify ragpg_documents;
    return null;
end
$$;
comment on function ragpg_internal.queue_documents() is
'Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told. A new version whose metadata alone are new has the chunks of the one before, at once.';
