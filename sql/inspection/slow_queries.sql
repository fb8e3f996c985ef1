-- Which of ragpg's statements take the most time?
create or replace function ragpg.slow_queries(most integer default 20)
returns table (
    query text, calls bigint, mean_ms double precision, total_ms double precision,
    row_count bigint, cached_share double precision
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    home text := (
        select space.nspname
        from pg_extension as installed
        join pg_namespace as space on space.oid = installed.extnamespace
        where installed.extname = 'pg_stat_statements'
    );
begin
    if home is null then
        raise notice 'pg_stat_statements is not installed'
            using hint = 'add it to shared_preload_libraries, then: create extension pg_stat_statements';
        return;
    end if;
    return query execute format(
        'select query, calls, mean_exec_time, total_exec_time, rows,'
        '  shared_blks_hit::double precision / nullif(shared_blks_hit + shared_blks_read, 0)'
        ' from %I.pg_stat_statements'
        ' where dbid = (select oid from pg_database where datname = current_database())'
        '  and query ilike ''%%ragpg.%%'''
        ' order by total_exec_time desc limit $1',
        home
    )
    using most;
exception
    when object_not_in_prerequisite_state then
        raise notice 'pg_stat_statements is installed but not loaded'
            using hint = 'add it to shared_preload_libraries and restart';
end
$$;
comment on function ragpg.slow_queries(integer) is
'Returns the statements on ragpg that took most time in all, from pg_stat_statements; no row, and a notice, where that is not there. Other roles'' statements are shown to members of pg_read_all_stats.';
