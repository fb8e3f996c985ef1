-- How shall the shards scan their vector indexes?
create or replace function ragpg_internal.set_on_shards(ef_search integer, iterative_scan text)
returns void
-- Volatile, so that it may set: what set_config() sets stays on the coordinator, and so does what
-- a function's own settings say; the shards would go on with an ef_search of 40.
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    propagated constant text := current_setting('citus.propagate_set_commands');
begin
    perform set_config('citus.propagate_set_commands', 'local', true);
    execute format('set local hnsw.ef_search = %s', ef_search);
    execute format('set local hnsw.iterative_scan = %I', iterative_scan);
    perform set_config('citus.propagate_set_commands', propagated, true);
end
$$;
comment on function ragpg_internal.set_on_shards(integer, text) is
'Sets hnsw.ef_search and hnsw.iterative_scan on the servers that hold shards of ragpg.chunks, until the transaction ends.';
