-- Which functions read for a tenant what it may not reach itself, or not as quickly?
create or replace function ragpg_internal.tenant_legs() returns table (called regprocedure)
language sql stable
begin atomic
    select taker.called from ragpg_internal.proof_takers() as taker where taker.runs_as_owner;
end;
comment on function ragpg_internal.tenant_legs() is
'Returns the functions that ragpg.enable_tenants() makes security definer, which compare the tenant themselves (ragpg_internal.proven_tenant): two use the indexes of words and of metadata, which a policy would hide from the planner; where ragpg.chunks is distributed, which closes it to everybody but its owner, all of ragpg_internal.proof_takers.';
