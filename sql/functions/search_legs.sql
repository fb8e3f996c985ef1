-- Which leg found each hit, and at which place?
create or replace function ragpg.search_legs(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null,
    depth integer default 100
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint, vector_place integer, keyword_place integer
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
begin
    -- Embedded here as search would, so that three searches embed once.
    if search_legs.query_embedding is null and search_legs.query ~ '\S' then
        select
            case
                when fitted.enabled then ragpg.embed_query_static(search_legs.query, recipe.id)
                else ragpg.embed_query(search_legs.query, recipe.embedding_model_id)
            end
        into query_embedding
        from ragpg.search_indexes as recipe
        join ragpg.encoders as encoder
            on encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        left join ragpg.static_encoders as fitted on fitted.index_id = recipe.id
        where recipe.id = coalesce(
            search_legs.index_id,
            (
                select one.active_index_id
                from ragpg.collections as one
                where one.id = ragpg.collection_id(search_legs.collection)
            )
        );
    end if;
    return query
    select hit.*, near.place, worded.place
    from ragpg.search(
        search_legs.query, search_legs.k, search_legs.collection, search_legs.filter,
        search_legs.query_embedding, search_legs.mode, search_legs.index_id
    ) as hit
    left join ragpg.search(
        search_legs.query, search_legs.depth, search_legs.collection, search_legs.filter,
        search_legs.query_embedding,
        -- Without an embedding there is no vector leg: its rows are dropped below.
        case when search_legs.query_embedding is null then 'keyword' else 'vector' end,
        search_legs.index_id
    ) as near on near.chunk_id = hit.chunk_id and near.similarity is not null
    left join ragpg.search(
        search_legs.query, search_legs.depth, search_legs.collection, search_legs.filter,
        search_legs.query_embedding, 'keyword', search_legs.index_id
    ) as worded on worded.chunk_id = hit.chunk_id
    order by hit.place;
end
$$;
comment on function ragpg.search_legs(text, integer, text, jsonpath, halfvec, text, bigint, integer) is
'Returns what ragpg.search does, with the place each hit has when searched by meaning alone (vector_place) and by words alone (keyword_place); null where it is not among the first depth there. Slower than search: it searches three times.';
