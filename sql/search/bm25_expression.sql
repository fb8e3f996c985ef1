-- BM25 of one chunk, written out for the words of one question.
create or replace function ragpg_internal.bm25_expression(
    words tsquery[], weights double precision[]
) returns text
language sql immutable
begin atomic
    -- With f a word's frequency in the chunk and s = k1 (1 - b + b length / mean length), BM25 is
    -- the sum of weight f / (f + s) = weight - s weight / (f + s). f comes from ts_rank of the one
    -- word: that is (1/1 + 1/4 + ... + 1/f^2) / 1.64493, whose distance from 1 is
    -- 0.60793 / (f + 1/2) but for a part that rounding takes away (exact up to the 256 positions
    -- a tsvector keeps).
    select case
        when count(*) = 0 then '0::double precision'
        else format(
            '(%s - chunk.saturation * (%s))',
            sum(word.weight),
            string_agg(
                format(
                    '%s / (chunk.saturation + round(0.6079271018540267'
                    ' / (1 - ts_rank(''{1,1,1,1}'', chunk.lexemes, %L)::double precision) - 0.5))',
                    word.weight, word.query
                ),
                ' + '
            )
        )
    end
    from unnest(words, weights) as word (query, weight);
end;
comment on function ragpg_internal.bm25_expression(tsquery[], double precision[]) is
'Returns the SQL expression that is BM25 (k1 1.2, b 0.75; Robertson and Zaragoza 2009) of a row named chunk with the columns lexemes and saturation = k1 (1 - b + b length / mean length), for these words (ragpg_internal.query_words) and their weights.';
