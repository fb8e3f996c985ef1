-- How much does the vector leg count for this question?
create or replace function ragpg_internal.question_weight(stands_out double precision)
returns double precision
language sql immutable parallel safe
-- Found on ten labelled sets and two whose letters were changed for others that the model does not
-- know (docs/measured.md): from nothing at two deviations to .65 at five. 0.55 for all was the best
-- single weight.
return 0.65 * least(greatest((stands_out - 2) / 3, 0), 1);
comment on function ragpg_internal.question_weight(double precision) is
'Returns the share of the vector leg in hybrid scores, by how many standard deviations the nearest chunk is above the mean similarity of the index: a model that does not know the question''s language or matter finds all chunks alike. None where there is no chunk.';
