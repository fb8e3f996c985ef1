-- Whose rows does this session read and write?
create or replace function ragpg.current_tenant() returns text
language plpgsql stable parallel safe
-- Security definer: who may act for whom (tenant_roles) is nobody's to read. Everybody may call it,
-- because policies do, in the name of whoever queries; it tells a session only its own tenant.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    allowed text[];
    is_trusted boolean;
begin
    -- Not by current_user, which in a security definer function is another's.
    select
        array_agg(distinct bound.tenant) filter (where bound.tenant is not null),
        bool_or(bound.tenant is null)
    into allowed, is_trusted
    from ragpg.tenant_roles as bound
    join pg_roles as known on known.rolname = bound.role
    where pg_has_role(ragpg_internal.calling_role(), known.oid, 'usage');
    if is_trusted or wanted = any(allowed) or ragpg_internal.sees_all_tenants() then
        return wanted;
    elsif wanted is null and cardinality(allowed) = 1 then
        return allowed[1];
    end if;
    return null;
end
$$;
comment on function ragpg.current_tenant() is
'Returns the tenant this session acts for, null for none: for a role bound by ragpg.bind_role the setting ragpg.tenant, if it is one of its tenants, or without a setting the only one it has; for one of ragpg.trust_role, and for whoever sees all, the setting. Null for every other role. Policies compare rows with it.';
