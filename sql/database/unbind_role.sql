-- This role no longer acts for this tenant.
create or replace function ragpg.unbind_role(role_name text, tenant text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.tenant_roles as bound
    where bound.role = quote_ident(role_name)::regrole and bound.tenant = unbind_role.tenant;
    return found;
end
$$;
revoke execute on function ragpg.unbind_role(text, text) from public;
comment on function ragpg.unbind_role(text, text) is
'Takes back ragpg.bind_role; returns whether it was bound. A role with no binding left may name any tenant again: revoke its privileges instead if it shall see nothing.';
