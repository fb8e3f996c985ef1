-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint,
    filter jsonpath,
    out document_ids bigint[],
    out chunks bigint,
    most integer default null,
    proof uuid default ragpg_internal.proof()
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := (select known.tenant from ragpg_internal.proven_tenant(proof) as known);
    tenants text[] := array[only_tenant];
    only_collection bigint;
    untold bigint[];
    is_exact boolean;
    counted integer[];  -- places of the documents whose chunks are counted
begin
    select recipe.collection_id into only_collection
    from ragpg.search_indexes as recipe
    where recipe.id = matching_documents.index_id;
    if only_tenant is null then
        -- One look at an index for each.
        tenants := array(
            with recursive met as (
                (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection
                    order by document.tenant
                    limit 1
                )
                union all
                select (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection and document.tenant > met.tenant
                    order by document.tenant
                    limit 1
                )
                from met
                where met.tenant is not null
            )
            select met.tenant from met where met.tenant is not null
        );
    end if;
    select listed.document_ids, listed.is_exact into document_ids, is_exact
    from ragpg_internal.listed_documents(
        only_collection, tenants, filter::text, coalesce(most, 1000000)
    ) as listed;
    if document_ids is not null then
        select array_agg(known.document_id) into untold
        from ragpg.document_values as known
        where known.collection_id = only_collection
            and known.key = ''
            and known.kind = 'x'
            and known.tenant = any(tenants)
            and known.word is not null;
        if untold is not null then
            document_ids := array(
                select distinct id from unnest(document_ids || untold) as id
            );
        end if;
        if untold is not null or not is_exact then
            document_ids := ragpg_internal.passing(document_ids, filter);
        end if;
    elsif most is null then
        -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
        execute format(
            'select array_agg(document.id) from ragpg.documents as document'
            ' where document.collection_id = $1 and case when %s'
            '  then ragpg_internal.passes(document.metadata, $2) end',
            case when only_tenant is null then 'true' else 'document.tenant = $3' end
        )
        into document_ids
        using only_collection, filter, only_tenant;
    else
        return;
    end if;
    -- Counted, or where they are many, estimated from some of them, old and new.
    counted := array(
        select *
        from generate_series(
            1, cardinality(document_ids),
            greatest(ceil(cardinality(document_ids) / 20.0), 1)::integer
        )
    );
    select
        (sum(state.chunk_count) * cardinality(document_ids) / cardinality(counted))::bigint
    into chunks
    from unnest(counted) as listed (place)
    cross join lateral (
        select one.chunk_count
        from ragpg.index_documents as one
        where one.document_id = document_ids[listed.place]
            and one.index_id = matching_documents.index_id
        limit 1
    ) as state;
    chunks := greatest(chunks, case when cardinality(document_ids) > 20 then 1 else 0 end);
end
$$;
grant execute on function
ragpg_internal.matching_documents(bigint, jsonpath, integer, uuid)
to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath, integer, uuid) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have: counted up to 20 documents, else estimated from 10 to 20 of them; nothing where at most so many were to be listed by ragpg.document_values, and these cannot tell or are more. Without that limit each document is asked where they cannot. Security definer while tenants are on (ragpg_internal.tenant_legs), so that indexes are used; then only of the caller''s tenant.';
