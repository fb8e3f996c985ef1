-- For whom does whoever writes a followed table act?
create or replace function ragpg_internal.session_tenant() returns text
language sql stable
begin atomic
    with acting as (
        select
            array_agg(distinct bound.tenant) filter (where bound.tenant is not null) as allowed,
            bool_or(bound.tenant is null) as is_free,
            nullif(current_setting('ragpg.tenant', true), '') as wanted
        from ragpg.tenant_roles as bound
        join pg_roles as known on known.rolname = bound.role
        where pg_has_role(
            coalesce(nullif(current_setting('role'), 'none')::name, session_user), known.oid, 'usage'
        )
    )
    select case
        when not ragpg_internal.tenants_enabled()
            or acting.is_free
            or acting.wanted = any(acting.allowed)
            or pg_has_role(
                coalesce(nullif(current_setting('role'), 'none')::name, session_user),
                kept.relowner, 'usage'
            )
            then acting.wanted
        when acting.wanted is null and cardinality(acting.allowed) = 1 then acting.allowed[1]
    end
    from acting
    join pg_class as kept on kept.oid = 'ragpg.documents'::regclass;
end;
revoke execute on function ragpg_internal.session_tenant() from public;
comment on function ragpg_internal.session_tenant() is
'Returns the tenant of the session''s role, null for none; for the trigger of ragpg.index_table, which runs as the owner in the session of whoever writes the table.';
