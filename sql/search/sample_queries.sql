-- With which questions is recall to be measured?
create or replace function ragpg_internal.sample_queries(
    index_id bigint, queries integer, out query_source text, out embeddings halfvec[],
    out own_ids bigint[]
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    query_source := 'searches';
    select array_agg(asked.query_embedding), array_agg(null::bigint) into embeddings, own_ids
    from (
        select logged.query_embedding
        from ragpg.searches as logged
        where logged.index_id = sample_queries.index_id and logged.query_embedding is not null
        order by logged.searched_at desc, logged.id desc
        limit queries
    ) as asked;
    if coalesce(cardinality(embeddings), 0) < least(queries, 20) then
        query_source := 'chunks';
        select coalesce(array_agg(drawn.embedding), '{}'), coalesce(array_agg(drawn.id), '{}')
        into embeddings, own_ids
        from (
            select chunk.embedding, chunk.id
            from ragpg.chunks as chunk
            where chunk.index_id = sample_queries.index_id
            -- Drawn by hash, not by random(): the same chunks give the same recall.
            order by hashint8extended(chunk.id, 1)
            limit queries
        ) as drawn;
    end if;
end
$$;
comment on function ragpg_internal.sample_queries(bigint, integer) is
'Returns embeddings of the newest logged searches of a search index, or, when fewer than 20 (or all that are wanted) are logged, of its own chunks, drawn by hash, with their ids.';
