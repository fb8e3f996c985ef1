-- Whose chunks may a search read?
create or replace function ragpg_internal.searched_tenant() returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    found_tenant text;
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
begin
    if not ragpg_internal.tenants_enabled() then
        return null;
    end if;
    found_tenant := ragpg.current_tenant();
    if found_tenant is null and not ragpg_internal.sees_all_tenants() then
        raise exception 'role % %', current_user, coalesce(
            format('may not act for tenant "%s"', wanted), 'acts for no tenant'
        )
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''), connect(tenant=...) in Python; who may: ragpg.bind_role, ragpg.trust_role';
    end if;
    return found_tenant;
end
$$;
comment on function ragpg_internal.searched_tenant() is
'Returns the tenant whose chunks a search reads; null for all, when tenants are off or the caller sees all and set none. Raises RG013 when there is none to read for.';
