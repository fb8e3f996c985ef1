-- Forgets old rows of the log of searches.
create or replace function ragpg.prune_searches(older_than interval) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    gone bigint;
begin
    delete from ragpg.searches as logged where logged.searched_at < now() - older_than;
    get diagnostics gone = row_count;
    return gone;
end
$$;
comment on function ragpg.prune_searches(interval) is
'Deletes logged searches older than given and returns how many.';
