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
    return gone;
end
$$;
comment on function ragpg.prune_versions(interval, text) is
'Deletes versions that stopped being current longer ago than given, in one collection or all, and returns how many. Versions that answers cite stay.';
