-- Does a tenant's every chunk lie in one shard?
create or replace function ragpg_internal.is_spread_by_tenant() returns boolean
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    -- Where there is no Citus, nothing after this is looked at.
    return ragpg_internal.is_distributed() and exists (
        select
        from pg_dist_partition as known
        where known.logicalrelid = 'ragpg.chunks'::regclass
            and column_to_column_name(known.logicalrelid, known.partkey) = 'tenant'
    );
end
$$;
comment on function ragpg_internal.is_spread_by_tenant() is
'Returns whether ragpg.distribute spread ragpg.chunks by tenant: it does where tenants are kept apart already.';
