-- How much does a chunk's length dampen a word's frequency in BM25?
create or replace function ragpg_internal.bm25_saturation(mean_length real) returns text
language sql immutable parallel safe
return format(
    '1.2 * (0.25 + 0.75 * stored.lexeme_count / %s::double precision)', greatest(mean_length, 1)
);
comment on function ragpg_internal.bm25_saturation(real) is
'Returns the SQL expression of k1 (1 - b + b length / mean length), with k1 1.2 and b 0.75, of a row named stored with the column lexeme_count.';
