-- From 0 to 1: how likely does a hit answer?
create or replace function ragpg.relevance(index_id bigint, similarity double precision)
returns double precision
language sql stable
begin atomic
    select 1 / (1 + exp(-greatest(-500, least(500,
        recipe.relevance_offset + recipe.relevance_slope * relevance.similarity
    ))))
    from ragpg.search_indexes as recipe
    where recipe.id = relevance.index_id;
end;
comment on function ragpg.relevance(bigint, double precision) is
'Returns how likely, from 0 to 1, a search index holds the answer to a question whose best hit is that similar to it; null until ragpg.calibrate was called.';
