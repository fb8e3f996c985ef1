-- From now on, act for this tenant.
create or replace function ragpg.set_tenant(tenant text, for_session boolean default false)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank' using errcode = 'RG005', hint = 'name one';
    end if;
    perform set_config('ragpg.tenant', set_tenant.tenant, not for_session);
    if ragpg.current_tenant() is distinct from set_tenant.tenant then
        raise exception 'role % may not act for tenant "%"', current_user, tenant
            using errcode = 'RG013', hint = 'the owner of the schema binds roles (ragpg.bind_role), or lets them choose (ragpg.trust_role)';
    end if;
end
$$;
comment on function ragpg.set_tenant(text, boolean) is
'Sets the tenant (the setting ragpg.tenant) until the transaction ends, or for_session. The session''s outlasts a transaction of a pooler such as pgbouncer and would be the next client''s: there keep to the transaction''s. Raises RG013 when the role may not act for it.';
