-- Undoes 0024.
drop function ragpg.search_recent(text, integer, text, jsonpath, halfvec, text, bigint, jsonpath, interval, double precision);
alter table ragpg.search_indexes alter column vector_weight set default 0.7;
comment on column ragpg.search_indexes.vector_weight is
'Share of the vector leg in hybrid scores; the word leg has the rest.';
