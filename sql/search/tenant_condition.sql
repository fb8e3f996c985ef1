-- How is a tenant compared: by its index, or by whatever else finds the rows?
create or replace function ragpg_internal.tenant_condition(
    index_id bigint, tenant text, column_name text, parameter text
) returns text
language sql stable
begin atomic
    -- Without statistics, and there are none of tenants, the planner takes each one for a two
    -- hundredth of all rows, and its index for the best. Of a large one it reads too much.
    select format(
        case
            -- Citus asks the shards that may have it, and these know how many rows that is.
            when ragpg_internal.is_distributed() then '%s = %s'
            when coalesce(max(counted.chunk_count), 0) > 20000 then '%s || '''' = %s'
            else '%s = %s'
        end,
        tenant_condition.column_name, tenant_condition.parameter
    )
    from ragpg.index_statistics as counted
    where counted.index_id = tenant_condition.index_id
        and counted.tenant = tenant_condition.tenant;
end;
comment on function ragpg_internal.tenant_condition(bigint, text, text, text) is
'Returns the SQL that compares a column with a tenant: in a way that its index serves while the tenant has up to 20,000 chunks in the search index, so few that reading them all is quick, and where Citus chooses shards by it; else not.';
