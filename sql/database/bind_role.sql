-- This role acts for this tenant, whatever it sets.
create or replace function ragpg.bind_role(role_name text, tenant text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    insert into ragpg.tenant_roles (role, tenant)
    values (quote_ident(role_name)::regrole, bind_role.tenant)
    on conflict on constraint tenant_roles_pkey do nothing;
end
$$;
revoke execute on function ragpg.bind_role(text, text) from public;
comment on function ragpg.bind_role(text, text) is
'Binds a role, and the roles that inherit from it, to a tenant: it then sees no other one''s rows, whatever it sets ragpg.tenant to. Bound to several, it chooses among them. Needed for every role whose SQL is not yours: a role that is not bound may name any tenant.';
