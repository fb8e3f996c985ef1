-- This role acts for this tenant, whatever it sets.
create or replace function ragpg.bind_role(role_name text, tenant text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank'
            using errcode = 'RG005', hint = 'a role that may name any: ragpg.trust_role';
    end if;
    perform quote_ident(role_name)::regrole;  -- is there one?
    insert into ragpg.tenant_roles (role, tenant)
    values (bind_role.role_name, bind_role.tenant)
    on conflict on constraint tenant_roles_key do nothing;
end
$$;
revoke execute on function ragpg.bind_role(text, text) from public;
comment on function ragpg.bind_role(text, text) is
'Binds a role, and the roles that inherit from it, to a tenant: it then sees that one''s rows and no other''s, whatever it sets ragpg.tenant to. Bound to several, it chooses among them. Kept by the role''s name, so that a dump restores it; a role renamed is to be bound again. Raises RG005 for a blank tenant.';
