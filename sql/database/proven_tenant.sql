-- For whom was this function, which runs as its owner, called?
create or replace function ragpg_internal.proven_tenant(
    proof uuid, out sees_all boolean, out tenant text
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    bound ragpg.tenant_roles;
begin
    if not ragpg_internal.tenants_enabled() then
        sees_all := true;
        return;
    end if;
    select known.* into bound
    from ragpg.tenant_roles as known
    where known.proof = proven_tenant.proof;
    sees_all := bound.role is not distinct from '';
    tenant := case when bound.proof is not null then coalesce(bound.tenant, wanted) end;
    if tenant is null and not sees_all then
        raise exception 'called for no tenant'
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''), connect(tenant=...) in Python; who may: ragpg.bind_role, ragpg.trust_role';
    end if;
end
$$;
comment on function ragpg_internal.proven_tenant(uuid) is
'Returns whether who handed over ragpg_internal.proof() sees all tenants, and the tenant it acts for (null for all). Raises RG013 for a proof of nothing while tenants are on.';
