-- How likely is there an answer, by these weights?
create or replace function ragpg_internal.logistic(
    weights double precision[],
    similarity double precision,
    words_held double precision,
    missing_names integer,
    unmatched_negation boolean
) returns double precision
language sql immutable parallel safe
return 1 / (1 + exp(-greatest(-500, least(500,
    weights[1]
    + weights[2] * similarity
    + weights[3] * words_held
    + weights[4] * ln(1 + missing_names)
    + weights[5] * unmatched_negation::integer
))));
comment on function ragpg_internal.logistic(
    double precision[], double precision, double precision, integer, boolean
) is
'Returns from 0 to 1 how likely there is an answer: the logistic curve of the weighted sum (weights: offset, similarity, words held, ln(1 + missing names), unmatched negation).';
