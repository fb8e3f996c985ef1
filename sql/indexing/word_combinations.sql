-- Which chunks could still be good enough? Those that hold enough of the words.
create or replace function ragpg_internal.word_combinations(
    words tsquery[], weights double precision[], threshold double precision,
    chunk_counts integer[] default null
) returns tsquery
language sql immutable
begin atomic
    -- After MaxScore (Turtle and Flood 1995) and WAND (Broder et al. 2003): with the words in some
    -- order, a chunk of at least the threshold has a first word from which on the weights suffice,
    -- and after it another one that is needed for the rest, unless the first is enough alone.
    with said as (
        select
            word.query, word.weight, word.place,
            sum(word.weight) over (order by word.place desc) as weight_from_here,
            coalesce(sum(word.chunk_count) over (order by word.place) <= 2000, false) as is_rare,
            coalesce(sum(word.chunk_count) over (order by word.place) > 30000, false) as is_common
        from unnest(words, weights, chunk_counts) with ordinality
            as word (query, weight, chunk_count, place)
    )
    select string_agg(combined.query, ' | ' order by combined.place)::tsquery
    from (
        select
            first.place,
            case
                when first.weight >= threshold or first.is_rare then first.query::text
                else first.query::text || ' & (' || (
                    select string_agg(second.query::text, ' | ' order by second.place)
                    from said as second
                    where second.place > first.place
                        and second.weight_from_here >= threshold - first.weight
                ) || ')'
            end as query
        from said as first
        where (first.weight_from_here >= threshold or first.is_rare)
            and (not first.is_common or first.place = 1)
    ) as combined;
end;
comment on function ragpg_internal.word_combinations(tsquery[], double precision[], double precision, integer[]) is
'Returns a tsquery that matches every chunk whose words weigh at least the threshold together, and few others: a word that is enough alone, or with one of those after it without which the rest is too light. Null when all words together are too light. With chunk_counts, of words that are the rarest first: also every chunk that holds one of the rarest, which 2,000 hold together, and none whose first word is not among those that 30,000 hold together.';
