-- Trigger: which search indexes have to read the documents just written?
create or replace function ragpg_internal.queue_documents() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
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
'Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told.';
