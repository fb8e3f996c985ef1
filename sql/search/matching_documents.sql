-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Planned for this filter: how many documents pass decides whether their index is worth it.
set plan_cache_mode = force_custom_plan
as $$
declare
    only_tenant text := ragpg_internal.searched_tenant();
    parent_id bigint := (
        select recipe.collection_id
        from ragpg.search_indexes as recipe
        where recipe.id = matching_documents.index_id
    );
begin
    select array_agg(document.id), sum(state.chunk_count)
    into document_ids, chunks
    from ragpg.documents as document
    join ragpg.index_documents as state
        on state.document_id = document.id and state.index_id = matching_documents.index_id
    where document.collection_id = parent_id
        and document.metadata @@ matching_documents.filter
        and (only_tenant is null or document.tenant = only_tenant);
end
$$;
grant execute on function ragpg_internal.matching_documents(bigint, jsonpath) to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';
