-- Changes the metadata of the documents that a filter or a list of sources names.
create or replace function ragpg.update_metadata(
    changes jsonb,
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
    parent_id constant bigint := ragpg.collection_id(update_metadata.collection);
    only_tenant constant text := ragpg_internal.written_tenant();
begin
    perform ragpg_internal.check_choice(filter, sources);
    if jsonb_typeof(changes) is distinct from 'object' then
        raise exception 'the changes % are no JSON object', coalesce(changes::text, 'null')
            using errcode = 'RG005', hint = 'name keys and values, such as {"tier": "pro"}';
    end if;
    if dry_run then
        return query
        select document.source
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
            and document.metadata <> ragpg_internal.merge_patch(document.metadata, changes)
        order by document.source;
        return;
    end if;
    return query
    with changed as (
        update ragpg.documents as document
        set metadata = ragpg_internal.merge_patch(document.metadata, changes)
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
            and document.metadata <> ragpg_internal.merge_patch(document.metadata, changes)
        returning document.source
    )
    select changed.source from changed order by changed.source;
end
$$;
comment on function ragpg.update_metadata(jsonb, text, jsonpath, text[], boolean) is
'Changes the metadata of the documents of a collection whose metadata match the filter and whose source is one of the sources, and returns the sources of those that it changed; dry_run changes nothing. The changes are a JSON Merge Patch (RFC 7396): {"tier": "pro", "old": null} sets one key and takes another away. Each is a new version; its embeddings are reused when a worker indexes it, filters ask the new metadata at once. Raises RG005 when neither filter nor sources are given.';
