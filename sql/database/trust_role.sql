-- This role names its tenant itself, and may name any.
create or replace function ragpg.trust_role(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform quote_ident(role_name)::regrole;  -- is there one?
    insert into ragpg.tenant_roles (role, tenant)
    values (trust_role.role_name, null)
    on conflict on constraint tenant_roles_key do nothing;
end
$$;
revoke execute on function ragpg.trust_role(text) from public;
comment on function ragpg.trust_role(text) is
'Lets a role, and the roles that inherit from it, act for whichever tenant it sets (ragpg.set_tenant): an application that serves them all, whose SQL is yours. It sees nothing until it sets one. ragpg.unbind_role(role, null) takes it back.';
