-- Whose rows does this role read and write?
create or replace function ragpg.current_tenant() returns text
language plpgsql stable parallel safe
-- As whoever asks: a policy asks for the role that queries, which in a function, a trigger or an
-- index of somebody else's is theirs and not the session's.
set search_path = ragpg, pg_temp
as $$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    allowed text[];
    is_trusted boolean;
begin
    if ragpg_internal.sees_all_tenants() then
        return wanted;
    end if;
    -- Its policy shows a role its own rows.
    select
        array_agg(distinct bound.tenant) filter (where bound.tenant is not null),
        bool_or(bound.tenant is null)
    into allowed, is_trusted
    from ragpg.tenant_roles as bound;
    if is_trusted or wanted = any(allowed) then
        return wanted;
    elsif wanted is null and cardinality(allowed) = 1 then
        return allowed[1];
    end if;
    return null;
end
$$;
comment on function ragpg.current_tenant() is
'Returns the tenant the current role acts for, null for none: for a role bound by ragpg.bind_role the setting ragpg.tenant, if it is one of its tenants, or without a setting the only one it has; for one of ragpg.trust_role, and for whoever sees all, the setting. Null for every other role. Policies compare rows with it.';
