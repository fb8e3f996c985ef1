-- Takes a recipe away with its chunks, in an instant.
create or replace function ragpg.drop_search_index(index_id bigint) returns void
language plpgsql volatile
-- Security definer: the partition is dropped, which takes its owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
begin
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
    execute format('drop table ragpg.%I', 'chunks_' || index_id);
    delete from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id;
end
$$;
revoke execute on function ragpg.drop_search_index(bigint) from public;
comment on function ragpg.drop_search_index(bigint) is
'Drops a search index that is not the active one, with its chunks. Raises RG010 when it is, or when there is none.';
