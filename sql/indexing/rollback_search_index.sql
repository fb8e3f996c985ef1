-- The recipe before this one was better: back to it.
create or replace function ragpg.rollback_search_index(collection text default null)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    earlier_id bigint;
begin
    select recipe.id into earlier_id
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where one.id = ragpg.collection_id(rollback_search_index.collection)
        and recipe.id <> one.active_index_id
        and recipe.activated_at is not null
    order by recipe.activated_at desc
    limit 1;
    if earlier_id is null then
        raise exception 'no other search index of this collection has been active'
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg.activate_search_index(earlier_id);
    return earlier_id;
end
$$;
comment on function ragpg.rollback_search_index(text) is
'Activates the search index that answered before the active one and returns its id. Raises RG010 when there is none.';
