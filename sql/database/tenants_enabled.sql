-- Are tenants kept apart?
create or replace function ragpg_internal.tenants_enabled() returns boolean
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
begin
    return (
        select kept.relrowsecurity
        from pg_class as kept
        where kept.oid = 'ragpg.documents'::regclass
    );
end
$$;
comment on function ragpg_internal.tenants_enabled() is
'Returns whether ragpg.enable_tenants() is in force: row-level security is on.';
