-- Is what was found enough to answer from?
create or replace function ragpg.judge_hits(
    query text,
    chunk_ids bigint[],
    similarities double precision[],
    out is_enough boolean,
    out relevance double precision,
    out similarity double precision,
    out words_held double precision,
    out missing_names text[],
    out unmatched_negation boolean
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    passages text[];
    titles text[];
    index_id bigint;  -- of the first
begin
    select max(known.similarity) into judge_hits.similarity
    from unnest(similarities) as known (similarity);
    select
        array_agg(chunk.content order by hit.place), array_agg(document.title order by hit.place),
        (array_agg(chunk.index_id order by hit.place) filter (where hit.place = 1))[1]
    into passages, titles, index_id
    from unnest(chunk_ids[:3]) with ordinality as hit (chunk_id, place)
    join ragpg_internal.known_chunks(chunk_ids[:3]) as chunk on chunk.chunk_id = hit.chunk_id
    join ragpg.documents as document on document.id = chunk.document_id;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.id = index_id;
    if recipe.id is null then
        is_enough := false;
        return;
    end if;
    -- Without a similarity the hits were found by words alone, for which nothing is calibrated.
    is_enough := coalesce(judge_hits.similarity::real >= recipe.min_similarity, true);
    select signal.* into judge_hits.words_held, judge_hits.missing_names,
        judge_hits.unmatched_negation
    from ragpg_internal.answer_signals(recipe.id, judge_hits.query, passages, titles) as signal;
    judge_hits.relevance := ragpg_internal.relevance(
        recipe.id, judge_hits.similarity, judge_hits.words_held,
        cardinality(judge_hits.missing_names), judge_hits.unmatched_negation
    );
    is_enough := is_enough and coalesce(judge_hits.relevance >= recipe.min_relevance, true);
end
$$;
comment on function ragpg.judge_hits(text, bigint[], double precision[]) is
'Returns whether the hits of a search, best first, are enough to answer a question from: their best similarity reaches the search index''s min_similarity and, once ragpg.calibrate chose one, their relevance its min_relevance. With what it judges by: ragpg_internal.relevance (null until calibrated) and ragpg_internal.answer_signals. What ask abstains by.';
