-- Which chunks are nearest in meaning to this one?
create or replace function ragpg.similar_chunks(to_chunk_id bigint, k integer default 10)
returns table (
    place integer, source text, title text, content text, similarity double precision,
    start_char integer, end_char integer, document_id bigint, chunk_id bigint
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    given record;
    near_ids bigint[];
    similarities double precision[];
begin
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select chunk.chunk_id as id, chunk.index_id, chunk.embedding into given
    from ragpg_internal.known_chunks(array[similar_chunks.to_chunk_id]) as chunk;
    if given.id is null then
        raise exception 'there is no chunk %', similar_chunks.to_chunk_id
            using errcode = 'RG005', hint = 'pass the chunk_id of a row of ragpg.search';
    end if;
    select array_agg(near.chunk_id), array_agg(near.similarity) into near_ids, similarities
    from ragpg_internal.vector_candidates(given.index_id, given.embedding, k + 1) as near;
    return query
    select
        (row_number() over (order by near.similarity desc, near.chunk_id))::integer,
        document.source, document.title, chunk.content, near.similarity, chunk.start_char,
        chunk.end_char, chunk.document_id, chunk.chunk_id
    from unnest(near_ids, similarities) as near (chunk_id, similarity)
    join ragpg_internal.known_chunks(near_ids, given.index_id) as chunk
        on chunk.chunk_id = near.chunk_id
    join ragpg.documents as document on document.id = chunk.document_id
    where near.chunk_id <> given.id
    order by 1
    limit k;
end
$$;
comment on function ragpg.similar_chunks(bigint, integer) is
'Returns the k chunks of the same search index whose embeddings are nearest to that chunk''s, by cosine similarity, best first, itself left out. Raises RG005 when there is no such chunk.';
