-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    leg record;
begin
    -- One connection to each worker: what follows must see what came before it.
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true)
    where ragpg_internal.is_distributed();
    execute format('grant usage on schema ragpg, ragpg_internal to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format(
        'alter default privileges for role %s in schema ragpg grant select on tables to %I',
        (
            select space.nspowner::regrole
            from pg_namespace as space
            where space.nspname = 'ragpg'
        ),
        role_name
    );
    execute format('grant execute on function ragpg_internal.remember_query to %I', role_name);
    execute format('grant execute on function ragpg_internal.log_search to %I', role_name);
    for leg in
        select own.called from ragpg_internal.proof_takers() as own where not own.writes
    loop
        execute format('grant execute on function %s to %I', leg.called, role_name);
    end loop;
    if ragpg_internal.is_distributed() and ragpg_internal.tenants_enabled() then
        -- There chunks are read by these functions alone.
        for leg in
            select held.relation
            from ragpg_internal.protected_tables() as held
            where held.relation = 'ragpg.chunks'::regclass or exists (
                select
                from pg_inherits as part
                where part.inhrelid = held.relation
                    and part.inhparent = 'ragpg.chunks'::regclass
            )
        loop
            execute format('revoke all on %s from %I', leg.relation, role_name);
        end loop;
    end if;
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.';
