-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
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
    execute format(
        'grant execute on function ragpg_internal.keyword_candidates, ragpg_internal.matching_documents to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.';
