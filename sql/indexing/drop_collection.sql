-- Takes a collection away with everything that belongs to it.
create or replace function ragpg.drop_collection(
    collection text, proof uuid default ragpg_internal.proof()
) returns bigint
language plpgsql volatile
-- Security definer: the partitions are dropped, which takes their owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    gone_id bigint := ragpg.collection_id(drop_collection.collection);
    documents_gone bigint;
    recipe_id bigint;
begin
    perform ragpg_internal.check_shared('collection ' || drop_collection.collection, proof);
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || drop_collection.collection);
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = gone_id
    loop
        execute format('drop table ragpg.%I', 'chunks_' || recipe_id);
    end loop;
    select count(*) into documents_gone
    from ragpg.documents as document
    where document.collection_id = gone_id;
    update ragpg.collections as one set active_index_id = null where one.id = gone_id;
    delete from ragpg.collections as one where one.id = gone_id;
    delete from ragpg.document_versions as earlier where earlier.collection_id = gone_id;
    return documents_gone;
end
$$;
revoke execute on function ragpg.drop_collection(text, uuid) from public;
comment on function ragpg.drop_collection(text, uuid) is
'Drops a collection with its documents, all their versions, chunks, search indexes and answers, and returns how many documents went.';
