-- Why is this hit at this place: what found it, and what did each leg think of it?
create or replace function ragpg.explain_search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null
) returns table (
    place integer, source text, content text, score double precision,
    similarity double precision, vector_place integer, bm25 double precision,
    keyword_place integer, words text[], chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    -- Named by its id, so that the log of searches does not count an explanation.
    return query
    select
        best.place, best.source, best.content, best.score, best.similarity, near.place, best.bm25,
        said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg.lexeme_query(word.lexeme)
        ),
        best.chunk_id
    from ragpg.search(query, k, null, filter, query_embedding, index_id => recipe.id) as best
    join ragpg.chunks as chunk on chunk.index_id = recipe.id and chunk.id = best.chunk_id
    left join ragpg.search(
        query, greatest(k, recipe.candidates), null, filter, query_embedding,
        -- Without a model that embeds the question there is no vector leg to ask.
        case
            when query_embedding is not null or exists (
                select
                from ragpg.encoders as encoder
                where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
            ) then 'vector'
            else 'keyword'
        end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(
        query, greatest(k, recipe.candidates), null, filter, null, 'keyword', recipe.id
    ) as said on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$$;
comment on function ragpg.explain_search(text, integer, text, jsonpath, halfvec) is
'Returns the hits of a hybrid ragpg.search with their place in each leg (null: not among its candidates) and the query''s words they hold. Three searches, so for looking, not for serving.';
