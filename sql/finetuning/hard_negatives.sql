-- What does search confuse with the answer?
create or replace function ragpg_internal.hard_negatives(
    question text,
    relevant_chunk_ids bigint[],
    wanted integer default 3,
    collection text default null,
    query_embedding halfvec default null,
    index_id bigint default null,
    depth integer default 50,
    max_similarity double precision default 0.95,
    excluded_document_ids bigint[] default '{}'
) returns table (
    place integer, source text, text text, similarity double precision, document_id bigint,
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe_id constant bigint := coalesce(
        hard_negatives.index_id,
        (
            select one.active_index_id
            from ragpg.collections as one
            where one.id = ragpg.collection_id(hard_negatives.collection)
        )
    );
    hits ragpg.hit[];
    asked_ids bigint[];
    held record;  -- the chunks of hits and of answers
begin
    hits := array(
        select hit
        from ragpg.search(
            query => hard_negatives.question, k => hard_negatives.depth,
            collection => hard_negatives.collection,
            query_embedding => hard_negatives.query_embedding, index_id => recipe_id
        ) as hit
    );
    asked_ids := relevant_chunk_ids || array(select hit.chunk_id from unnest(hits) as hit);
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.ordinal) as ordinals,
        array_agg(chunk.content_hash) as hashes, array_agg(chunk.embedding) as embeddings
    into held
    from ragpg_internal.known_chunks(asked_ids, recipe_id) as chunk;
    return query
    with chunk as materialized (
        select one.*
        from unnest(held.ids, held.ordinals, held.hashes, held.embeddings)
            as one (id, ordinal, content_hash, embedding)
    )
    select
        hit.place, hit.source,
        ragpg_internal.embedded_text(hit.title, hit.context, hit.content, chunk.ordinal),
        hit.similarity, hit.document_id, hit.chunk_id
    from unnest(hits) as hit
    join chunk on chunk.id = hit.chunk_id
    where hit.chunk_id <> all(hard_negatives.relevant_chunk_ids)
        and hit.document_id <> all(hard_negatives.excluded_document_ids)
        -- A copy of the answer is an answer.
        and not exists (
            select
            from chunk as answer
            where answer.id = any(hard_negatives.relevant_chunk_ids)
                and (
                    answer.content_hash = chunk.content_hash
                    or 1 - (answer.embedding <=> chunk.embedding) > hard_negatives.max_similarity
                )
        )
    order by hit.place
    limit hard_negatives.wanted;
end
$$;
comment on function ragpg_internal.hard_negatives(text, bigint[], integer, text, halfvec, bigint, integer, double precision, bigint[]) is
'Returns the wanted best-ranked chunks that are not relevant to a question, best first, of the depth first hits of ragpg.search: without those known to be relevant (ragpg.training_pairs has them) and without what is nearly the same as one of them (cosine of the two chunks above max_similarity). Chunks of excluded_document_ids are left out, too: a model that is judged on documents must not see them.';
