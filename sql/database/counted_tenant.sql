-- Which row of the statistics is the caller's?
create or replace function ragpg_internal.counted_tenant() returns text
language sql stable parallel safe
begin atomic
    select case when ragpg_internal.tenants_enabled() then coalesce(ragpg.current_tenant(), '') else '' end;
end;
comment on function ragpg_internal.counted_tenant() is
'Returns the tenant whose rows of index_statistics and lexeme_statistics count for the caller; empty for those of the whole search index.';
