-- Which tenants' words are to be counted again?
create or replace function ragpg_internal.count_tenants(
    index_id bigint, force boolean
) returns integer
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    changed_tenant text;
    done integer := 0;
begin
    if not ragpg_internal.tenants_enabled() then
        return 0;
    end if;
    delete from ragpg.lexeme_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    delete from ragpg.index_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    -- The rule of refresh_search_index, for each of them: what did not change costs nothing.
    for changed_tenant in
        select held.tenant
        from (
            select
                state.tenant, known.refreshed_at, sum(state.chunk_count) as total,
                greatest(
                    coalesce(
                        sum(state.chunk_count) filter (where state.indexed_at > known.refreshed_at),
                        0
                    ),
                    abs(sum(state.chunk_count) - coalesce(known.chunk_count, 0))
                ) as changed
            from ragpg.index_documents as state
            left join ragpg.index_statistics as known
                on known.index_id = state.index_id and known.tenant = state.tenant
            where state.index_id = count_tenants.index_id and state.tenant <> ''
            group by state.tenant, known.refreshed_at, known.chunk_count
        ) as held
        where held.refreshed_at is null
            or held.changed > 0
            and (force or held.total <= 20000 or held.changed >= held.total / 50)
    loop
        perform ragpg_internal.count_chunks(count_tenants.index_id, changed_tenant);
        done := done + 1;
    end loop;
    return done;
end
$$;
revoke execute on function ragpg_internal.count_tenants(bigint, boolean) from public;
comment on function ragpg_internal.count_tenants(bigint, boolean) is
'Counts anew, while tenants are on, for each tenant of whose chunks enough changed (or, with force, any); forgets the counts of tenants that are gone. Returns how many were counted. Part of ragpg.refresh_search_index.';
