-- From 0 to 1: how likely is there an answer?
create or replace function ragpg_internal.relevance(
    index_id bigint,
    similarity double precision,
    words_held double precision,
    missing_names integer,
    unmatched_negation boolean
) returns double precision
language sql stable
begin atomic
    select ragpg_internal.logistic(
        array[
            recipe.relevance_offset, recipe.relevance_slope, recipe.words_held_slope,
            recipe.missing_names_slope, recipe.unmatched_negation_slope
        ],
        relevance.similarity, relevance.words_held, relevance.missing_names,
        relevance.unmatched_negation
    )
    from ragpg.search_indexes as recipe
    where recipe.id = relevance.index_id;
end;
comment on function ragpg_internal.relevance(bigint, double precision, double precision, integer, boolean) is
'Returns how likely, from 0 to 1, a search index holds the answer to a question whose best hit is that similar to it and whose first hits show these ragpg_internal.answer_signals; null until ragpg.calibrate was called.';
