-- What stands in the hits, where the chunks are on other servers?
create or replace function ragpg_internal.distant_hits(
    index_id bigint,
    chunk_ids bigint[],
    scores double precision[],
    similarities double precision[],
    bm25_scores double precision[]
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query
    select
        (row_number() over (order by best.place))::integer, document.source, document.title,
        hit.content, best.score, best.similarity, best.bm25, hit.start_char, hit.end_char,
        hit.page, hit.context, document.metadata, hit.document_id, hit.document_version,
        hit.chunk_id
    from unnest(chunk_ids, scores, similarities, bm25_scores) with ordinality
        as best (chunk_id, score, similarity, bm25, place)
    join ragpg_internal.known_chunks(chunk_ids, distant_hits.index_id) as hit
        on hit.chunk_id = best.chunk_id
    join ragpg.documents as document on document.id = hit.document_id
    order by 1;
end
$$;
comment on function ragpg_internal.distant_hits(bigint, bigint[], double precision[], double precision[], double precision[]) is
'Returns the rows of ragpg.search for these chunks, best first, and their scores, where ragpg.chunks is distributed.';
