-- Which waiting documents does this worker take?
create or replace function ragpg_internal.claim_documents(
    wanted integer default 32,
    only_collection text default null,
    only_index_id bigint default null
) returns table (
    index_id bigint, document_id bigint, tenant text, version integer, source text, title text,
    media_type text, content text, page_starts integer[]
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    waiting record;
    taken integer := 0;
    characters bigint := 0;
begin
    for waiting in
        select state.index_id, state.document_id
        from ragpg.index_documents as state
        join ragpg.search_indexes as recipe on recipe.id = state.index_id
        join ragpg.collections as one on one.id = recipe.collection_id
        where state.pending_since is not null
            and state.next_attempt_at <= now()
            and (only_collection is null or one.name = only_collection)
            and (only_index_id is null or state.index_id = only_index_id)
            -- Nobody pays for sentences of a recipe that never answered, unless told to fill it.
            and (
                recipe.context_model is null
                or recipe.activated_at is not null
                or state.index_id = only_index_id
            )
        order by state.next_attempt_at, state.document_id
    loop
        exit when taken >= wanted or characters > 2000000;
        -- The lock belongs to the session: it goes with a worker that is killed, and nobody who
        -- writes the document waits for it.
        continue when not pg_try_advisory_lock(
            ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
        );
        -- Read after the lock: another worker may have finished it in between.
        select
            state.index_id, document.id, document.tenant, document.version, document.source,
            document.title, document.media_type, document.content, document.page_starts
        into
            index_id, document_id, tenant, version, source, title, media_type, content, page_starts
        from ragpg.index_documents as state
        join ragpg.documents as document on document.id = state.document_id
        where state.index_id = waiting.index_id
            and state.document_id = waiting.document_id
            and state.pending_since is not null
            and state.next_attempt_at <= now();
        if not found then
            perform pg_advisory_unlock(
                ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
            );
            continue;
        end if;
        taken := taken + 1;
        characters := characters + char_length(content);
        return next;
    end loop;
end
$$;
comment on function ragpg_internal.claim_documents(integer, text, bigint) is
'Returns waiting documents that no other session has claimed, the longest waiting first, at most wanted (fewer when they are long), and claims them until this session calls ragpg_internal.release_document or ends. Those of a contextual search index that was never activated only when it is named.';
