-- Which chunks answer one of several phrasings of a question best?
create or replace function ragpg.search_any(
    queries text[],
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embeddings halfvec[] default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    if coalesce(cardinality(queries), 0) = 0 then
        raise exception 'there is no query' using errcode = 'RG005', hint = 'ask something';
    end if;
    if cardinality(query_embeddings) <> cardinality(queries) then
        raise exception '% queries came with % embeddings',
            cardinality(queries), cardinality(query_embeddings)
            using errcode = 'RG005', hint = 'pass one for each, or none';
    end if;
    return query
    with hits as materialized (
        select hit.*, asked.number
        from unnest(queries) with ordinality as asked (query, number)
        cross join lateral ragpg.search(
            asked.query, greatest(2 * k, 20), search_any.collection, search_any.filter,
            query_embeddings[asked.number], search_any.mode, search_any.index_id
        ) as hit
    ),
    fused as (
        -- Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): scores of different
        -- questions are on different scales.
        select
            hits.chunk_id, sum(1.0::double precision / (60 + hits.place)) as score,
            max(hits.similarity) as similarity, max(hits.bm25) as bm25, min(hits.number) as number
        from hits
        group by hits.chunk_id
    )
    select
        (row_number() over (order by fused.score desc, hit.chunk_id))::integer, hit.source,
        hit.title, hit.content, fused.score, fused.similarity, fused.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id, hit.document_version,
        hit.chunk_id
    from fused
    join hits as hit on hit.chunk_id = fused.chunk_id and hit.number = fused.number
    order by 1
    limit k;
end
$$;
comment on function ragpg.search_any(text[], integer, text, jsonpath, halfvec[], text, bigint) is
'Returns the k best chunks for several phrasings of one question, by reciprocal rank fusion of ragpg.search of each; similarity and bm25 are the best of any phrasing. query_embeddings, if given, has one for each query. Raises RG001 to RG005, RG010.';
