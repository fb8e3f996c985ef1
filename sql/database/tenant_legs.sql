-- Which functions read indexes that a policy would hide from the planner?
create or replace function ragpg_internal.tenant_legs() returns table (called regprocedure)
language sql stable
begin atomic
    select leg.oid::regprocedure
    from pg_proc as leg
    where leg.pronamespace = 'ragpg_internal'::regnamespace
        and leg.proname in ('keyword_candidates', 'matching_documents');
end;
comment on function ragpg_internal.tenant_legs() is
'Returns the functions that ragpg.enable_tenants() makes security definer: they use the indexes of words and of metadata, and compare the tenant themselves (ragpg_internal.proven_tenant).';
