-- What would a question's embedding be, judged by the best chunks its words find?
create or replace function ragpg_internal.feedback_embedding(
    index_id bigint,
    chunk_ids bigint[],
    scores double precision[]
) returns halfvec
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    held record;
begin
    if ragpg_internal.is_distributed() then
        select array_agg(one.chunk_id) as ids, array_agg(one.embedding) as embeddings into held
        from ragpg_internal.known_chunks(chunk_ids[:3], feedback_embedding.index_id) as one;
    else
        select array_agg(one.id) as ids, array_agg(one.embedding) as embeddings into held
        from ragpg.chunks as one
        where one.index_id = feedback_embedding.index_id and one.id = any(chunk_ids[:3]);
    end if;
    return (
        select l2_normalize(
            sum(
                chunk.embedding::vector
                * array_fill(best.score::real, array[vector_dims(chunk.embedding)])::vector
                order by best.place
            )
        )::halfvec
        from unnest(chunk_ids[:3], scores[:3]) with ordinality as best (chunk_id, score, place)
        join unnest(held.ids, held.embeddings) as chunk (id, embedding)
            on chunk.id = best.chunk_id
    );
end
$$;
comment on function ragpg_internal.feedback_embedding(bigint, bigint[], double precision[]) is
'Returns the score-weighted mean embedding of the first three chunks, a stand-in for the embedding of the question that found them (pseudo-relevance feedback, Rocchio 1971).';
