-- This role no longer acts for this tenant.
create or replace function ragpg.unbind_role(role_name text, tenant text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.tenant_roles as bound
    where bound.role = unbind_role.role_name
        and bound.tenant is not distinct from unbind_role.tenant;
    return found;
end
$$;
revoke execute on function ragpg.unbind_role(text, text) from public;
comment on function ragpg.unbind_role(text, text) is
'Takes back ragpg.bind_role, or, with the tenant null, ragpg.trust_role; returns whether there was anything to take back. A role with nothing left sees no rows. The role itself may be gone.';
