-- Whose rows may be looked at, for policies?
create or replace function ragpg_internal.acting_for() returns jsonb
language sql stable parallel safe
begin atomic
    select coalesce(jsonb_object_agg(acting.tenant, true), '{}')
    from ragpg.current_tenant() as acting (tenant)
    where acting.tenant is not null;
end;
comment on function ragpg_internal.acting_for() is
'Returns {"tenant": true} for the tenant the session acts for, {} for none. A policy that looks a row''s tenant up in it costs nothing in the planner''s eyes, so that it is asked before whatever else a statement asks: explain analyze would tell how many rows of others passed that.';
