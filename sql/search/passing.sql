-- Which of these documents does a filter let through?
create or replace function ragpg_internal.passing(document_ids bigint[], filter jsonpath)
returns bigint[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Planned once in a session.
set plan_cache_mode = force_generic_plan
as $$
declare
    has_times constant boolean := ragpg_internal.has_times(filter);
begin
    return (
        select array_agg(known.id)
        from unnest(document_ids) as known (id)
        -- Looked up one by one: a join may be planned that reads all of a tenant's documents.
        where (
            select ragpg_internal.passes(document.metadata, filter, has_times)
            from ragpg.documents as document
            where document.id = known.id
        )
    );
end
$$;
comment on function ragpg_internal.passing(bigint[], jsonpath) is
'Returns those of the documents whose metadata pass a filter, null for none.';
