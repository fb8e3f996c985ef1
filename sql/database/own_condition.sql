-- Which chunks may be looked up for whoever handed over this proof, where no policy tells?
create or replace function ragpg_internal.own_condition(proof uuid) returns text
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    proven record;
begin
    if not ragpg_internal.chunks_are_closed() then
        return '';
    end if;
    select known.* into proven from ragpg_internal.proven_tenant(proof) as known;
    -- As a literal: so Citus asks the one shard that has it.
    return case
        when proven.sees_all then '' else format(' and chunk.tenant = %L', proven.tenant)
    end;
end
$$;
comment on function ragpg_internal.own_condition(uuid) is
'Returns the SQL that compares a row named chunk with the tenant that ragpg_internal.proof() proves, to be appended to a condition: nothing for who sees all, and on one server, where a policy does it. Raises RG013 for a proof of nothing while tenants are on.';
