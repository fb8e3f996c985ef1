-- Which row of the statistics is the caller's?
create or replace function ragpg.counted_tenant() returns text
language sql stable parallel safe
begin atomic
    select case when ragpg.tenants_enabled() then coalesce(ragpg.current_tenant(), '') else '' end;
end;
comment on function ragpg.counted_tenant() is
'Returns the tenant whose rows of index_statistics and lexeme_statistics count for the caller; empty for those of the whole search index.';
