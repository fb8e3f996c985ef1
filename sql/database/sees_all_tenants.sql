-- Does the current role see the rows of every tenant?
create or replace function ragpg_internal.sees_all_tenants() returns boolean
language sql stable parallel safe
begin atomic
    select
        not kept.relrowsecurity
        or pg_has_role(kept.relowner, 'usage')
        or (select known.rolbypassrls from pg_roles as known where known.rolname = current_user)
    from pg_class as kept
    where kept.oid = 'ragpg.documents'::regclass;
end;
comment on function ragpg_internal.sees_all_tenants() is
'Returns true where row-level security hides nothing: tenants are off, or the current role owns the tables, is a superuser or bypasses row-level security. Always, therefore, within a function that runs as the owner.';
