-- Takes a recipe away with its chunks, in an instant.
create or replace function ragpg.drop_search_index(
    index_id bigint, proof uuid default ragpg_internal.proof()
) returns void
language plpgsql volatile
-- Security definer: the partition is dropped, which takes its owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    given_up constant timestamptz := clock_timestamp() + interval '5 seconds';
    running text[];
begin
    perform ragpg_internal.check_shared('search index ' || drop_search_index.index_id, proof);
    if exists (
        select from ragpg.collections as one where one.active_index_id = drop_search_index.index_id
    ) then
        raise exception 'search index % answers searches', index_id
            using errcode = 'RG010', hint = 'activate another one first: ragpg index activate';
    end if;
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id
    ) then
        raise exception 'there is no search index %', index_id
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    -- A search that began before the switch still means to read these chunks, and would find
    -- nothing: a dropped table is gone for older snapshots, too. So those that run now may end
    -- first, up to five seconds; one that outlasts that gets an error from ragpg.search.
    select array_agg(held.virtualtransaction) into running
    from pg_locks as held
    where held.locktype = 'virtualxid' and held.pid <> pg_backend_pid();
    while clock_timestamp() < given_up and exists (
        select
        from pg_locks as held
        where held.locktype = 'virtualxid' and held.virtualtransaction = any(running)
    ) loop
        perform pg_sleep(0.01);
    end loop;
    execute format('drop table ragpg.%I', 'chunks_' || index_id);
    delete from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id;
end
$$;
revoke execute on function ragpg.drop_search_index(bigint, uuid) from public;
comment on function ragpg.drop_search_index(bigint, uuid) is
'Drops a search index that is not the active one, with its chunks, once the searches that run now have ended (it waits five seconds at most). Raises RG010 when it is, or when there is none.';
