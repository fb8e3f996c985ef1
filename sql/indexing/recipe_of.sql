-- Which search index is meant?
create or replace function ragpg_internal.recipe_of(collection text, index_id bigint)
returns ragpg.search_indexes
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes;
begin
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.id = coalesce(
        recipe_of.index_id,
        (
            select one.active_index_id
            from ragpg.collections as one
            -- Not asked when the id is given.
            where recipe_of.index_id is null and one.id = ragpg.collection_id(recipe_of.collection)
        )
    );
    if recipe.id is null then
        raise exception 'there is no search index %',
            coalesce(recipe_of.index_id::text, 'of ' || collection, '')
            using errcode = 'RG010', hint = 'view index_health lists them';
    end if;
    return recipe;
end
$$;
comment on function ragpg_internal.recipe_of(text, bigint) is
'Returns the search index of that id, else the active one of the collection. Raises RG010 when there is none.';
