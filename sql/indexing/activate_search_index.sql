-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false,
    proof uuid default ragpg_internal.proof()
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    if collection_name is null then
        raise exception 'there is no search index %', coalesce(index_id::text, '(null)')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg_internal.check_shared('collection ' || collection_name, proof)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    select count(*) into waiting
    from ragpg.index_documents as state
    where state.index_id = activate_search_index.index_id and state.pending_since is not null;
    -- Counted and with its vector index before the first search finds it; a collection's first
    -- search index is filled only after this.
    perform ragpg.refresh_search_index(index_id)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name
        and (waiting = 0 or one.active_index_id is null or incomplete);
    if not found then
        raise exception 'search index % lacks % documents', index_id, waiting
            using errcode = 'RG010',
                hint = 'ragpg worker indexes them; incomplete => true activates it all the same';
    end if;
    update ragpg.search_indexes as recipe
    set activated_at = clock_timestamp()
    where recipe.id = index_id;
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || collection_name);
    execute format(
        'create view ragpg.%I with (security_invoker = true) as'
        ' select chunk.id, document.source, document.title, chunk.document_id,'
        ' chunk.document_version, chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page,'
        ' chunk.context, chunk.content, chunk.lexemes, document.metadata,'
        ' chunk.embedding::%s.halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, ragpg_internal.vector_schema(), dimensions, index_id
    );
    perform ragpg_internal.comment_chunks_view(collection_name);
end
$$;
revoke execute on function ragpg.activate_search_index(bigint, boolean, uuid) from public;
comment on function ragpg.activate_search_index(bigint, boolean, uuid) is
'Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.';
