-- Whose will be what is written now?
create or replace function ragpg_internal.written_tenant() returns text
language sql stable parallel safe
begin atomic
    select coalesce(ragpg.current_tenant(), '');
end;
comment on function ragpg_internal.written_tenant() is
'Returns the tenant of rows written now, the default of the columns tenant: empty when none is set.';
