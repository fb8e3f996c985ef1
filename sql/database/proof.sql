-- By what does a function that runs as its owner know for whom it was called?
create or replace function ragpg_internal.proof() returns uuid
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    sees_all constant boolean := ragpg_internal.sees_all_tenants();
    acting_for text;
begin
    if not ragpg_internal.tenants_enabled() then
        return null;
    end if;
    acting_for := ragpg.current_tenant();
    -- The policy of tenant_roles shows a role its own rows; the row without a role is for those
    -- alone who see everything.
    return (
        select bound.proof
        from ragpg.tenant_roles as bound
        where case
            when sees_all then bound.role = ''
            else bound.tenant is null or bound.tenant = acting_for
        end
        order by bound.tenant nulls last
        limit 1
    );
end
$$;
comment on function ragpg_internal.proof() is
'Returns what only the current role can know of itself: the proof of the binding by which it acts for its tenant, or of seeing all. Functions that run as their owner have it as their last argument: they cannot ask which role called them, and the session''s is another where a function or trigger of somebody else''s does. Null for a role that acts for no tenant, and while tenants are off.';
