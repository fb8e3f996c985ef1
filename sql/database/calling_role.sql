-- Who calls, also from within a function that runs as its owner?
create or replace function ragpg_internal.calling_role() returns name
language sql stable parallel safe
begin atomic
    select coalesce(nullif(current_setting('role'), 'none')::name, session_user);
end;
comment on function ragpg_internal.calling_role() is
'Returns the role of the session, or the one it took by set role; unlike current_user also within functions that run as their owner.';
