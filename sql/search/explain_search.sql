-- Why is this hit at this place: what found it, and what did each leg think of it?
create or replace function ragpg.explain_search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid'
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint, vector_place integer, keyword_place integer, words text[]
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    depth integer;
    best_hits ragpg.hit[];
    best_ids bigint[];
    held record;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    depth := greatest(k, recipe.candidates);
    -- Embedded here as search would, so that three searches embed once.
    if query_embedding is null and explain_search.query ~ '\S' then
        select ragpg.embed_query(explain_search.query, recipe.embedding_model_id)
        into query_embedding
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified;
    end if;
    -- Searched by the index's id, so that the log of searches does not count an explanation.
    best_hits := array(
        select best
        from ragpg.search(query, k, null, filter, query_embedding, mode, recipe.id) as best
        where recipe.id is not null
    );
    best_ids := array(select hit.chunk_id from unnest(best_hits) as hit);
    select array_agg(one.chunk_id) as ids, array_agg(one.lexemes) as lexemes into held
    from ragpg_internal.known_chunks(best_ids, recipe.id) as one;
    return query
    select
        best.*, near.place, said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg_internal.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg_internal.lexeme_query(word.lexeme)
        )
    from unnest(best_hits) as best
    join unnest(held.ids, held.lexemes) as chunk (id, lexemes) on chunk.id = best.chunk_id
    left join ragpg.search(
        query, depth, null, filter, query_embedding,
        -- Without an embedding there is no vector leg: its rows are dropped below.
        case when query_embedding is null then 'keyword' else 'vector' end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(query, depth, null, filter, query_embedding, 'keyword', recipe.id) as said
        on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$$;
comment on function ragpg.explain_search(text, integer, text, jsonpath, halfvec, text) is
'Returns what ragpg.search does, with the place each hit has when searched by meaning alone and by words alone (null: not among its candidates), and the query''s words it holds. Three searches, so for looking, not for serving.';
