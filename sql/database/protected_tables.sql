-- Which tables does a tenant see a part of?
create or replace function ragpg_internal.protected_tables()
returns table (relation regclass, closed boolean)
language sql stable
-- Not by names that are kept: Citus takes what depends on a distributed table to all servers.
set search_path = ragpg, pg_temp
as $$
    select
        policy.polrelid::regclass,
        bool_and(pg_get_expr(policy.polqual, policy.polrelid) = 'false')
    from pg_policy as policy
    join pg_class as kept on kept.oid = policy.polrelid
    where kept.relnamespace = 'ragpg'::regnamespace
        and kept.relname <> 'tenant_roles'  -- always, and each role its own
    group by policy.polrelid
    union all
    -- Policies of chunks hold where chunks is named; a partition named itself shows nothing.
    select part.inhrelid::regclass, true
    from pg_inherits as part
    where part.inhparent = 'ragpg.chunks'::regclass
    union all
    -- Shards cannot ask who is whose tenant: distributed, it has no policy.
    select 'ragpg.chunks'::regclass, true
    where ragpg_internal.is_distributed()
    order by 1;
$$;
comment on function ragpg_internal.protected_tables() is
'Returns the tables that ragpg.enable_tenants() puts under row-level security, those that are closed to all tenants marked; every other table of ragpg holds no content.';
