-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint,
    filter jsonpath,
    out document_ids bigint[],
    out chunks bigint,
    proof uuid default ragpg_internal.proof()
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := (select known.tenant from ragpg_internal.proven_tenant(proof) as known);
begin
    -- Planned for this filter: how many documents pass decides whether their index is worth it.
    execute format(
        'select array_agg(document.id), sum(state.chunk_count)'
        ' from ragpg.documents as document'
        ' join ragpg.index_documents as state'
        '  on state.document_id = document.id and state.index_id = $1'
        ' where document.collection_id = ('
        '   select recipe.collection_id from ragpg.search_indexes as recipe where recipe.id = $1)'
        '  and %s',
        case
            when only_tenant is null then 'ragpg_internal.passes(document.metadata, $2)'
            -- Of other tenants' rows the filter finds nothing, in whichever order it is asked.
            else 'ragpg_internal.passes('
                'jsonb_set(''{}'', array[document.tenant], document.metadata), $2) and '
                || ragpg_internal.tenant_condition(
                    matching_documents.index_id, only_tenant, 'document.tenant', '$3'
                )
        end
    )
    into document_ids, chunks
    using matching_documents.index_id,
        case
            when only_tenant is null then matching_documents.filter
            else ragpg_internal.tenant_filter(matching_documents.filter, only_tenant)
        end,
        only_tenant;
end
$$;
grant execute on function ragpg_internal.matching_documents(bigint, jsonpath, uuid) to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath, uuid) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';
