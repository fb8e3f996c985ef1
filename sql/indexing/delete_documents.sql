-- Takes the documents away that a filter or a list of sources names.
create or replace function ragpg.delete_documents(
    collection text default 'default',
    filter jsonpath default null,
    sources text[] default null,
    dry_run boolean default false
) returns setof text
language plpgsql volatile
set search_path = ragpg, pg_temp
-- What is not given is planned away.
set plan_cache_mode = force_custom_plan
as $$
declare
    parent_id constant bigint := ragpg.collection_id(delete_documents.collection);
    only_tenant constant text := ragpg_internal.written_tenant();
begin
    perform ragpg_internal.check_choice(filter, sources);
    if dry_run then
        return query
        select document.source
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
        order by document.source;
        return;
    end if;
    return query
    with gone as (
        delete from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
        returning document.source
    )
    select gone.source from gone order by gone.source;
end
$$;
comment on function ragpg.delete_documents(text, jsonpath, text[], boolean) is
'Deletes the documents of a collection whose metadata match the filter and whose source is one of the sources, with their chunks, and returns their sources; dry_run deletes nothing. Raises RG005 when neither is given: ragpg.drop_collection deletes all. Their last versions stay in document_versions.';
