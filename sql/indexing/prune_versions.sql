-- Forgets old versions, except those an answer cites.
create or replace function ragpg.prune_versions(older_than interval, collection text default null)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.document_versions as earlier
    where earlier.valid_to < now() - older_than
        and (
            prune_versions.collection is null
            or earlier.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.citations as cited
            where cited.document_id = earlier.document_id
                and cited.document_version = earlier.version
        );
    get diagnostics gone = row_count;
    -- Sentences about texts that nothing holds any more; fresh ones may belong to a document that
    -- is being stored, open ones to a batch.
    delete from ragpg.chunk_contexts as written
    where written.created_at < now() - interval '1 day'
        and written.sentence is not null
        and (
            prune_versions.collection is null
            or written.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.documents as document
            where document.collection_id = written.collection_id
                and document.content_hash = written.document_hash
        )
        and not exists (
            select
            from ragpg.document_versions as earlier
            where earlier.collection_id = written.collection_id
                and ragpg_internal.hash_text(earlier.content) = written.document_hash
        );
    return gone;
end
$$;
comment on function ragpg.prune_versions(interval, text) is
'Deletes versions that stopped being current longer ago than given, in one collection or all, and returns how many. Versions that answers cite stay. Sentences a model wrote about texts that are gone go, too.';
