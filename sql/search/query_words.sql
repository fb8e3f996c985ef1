-- What is each word of a question worth?
create or replace function ragpg_internal.query_words(index_id bigint, query text)
returns table (
    place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer,
    mean_score double precision, mean_square double precision
)
language sql stable
begin atomic
    select
        row_number() over (order by asked.chunk_count, asked.lexeme) as place,
        asked.lexeme,
        ragpg_internal.lexeme_query(asked.lexeme) as word,
        asked.weight,
        asked.chunk_count,
        asked.share * asked.weight * asked.saturation as mean_score,
        asked.share * (asked.weight * asked.saturation) ^ 2 as mean_square
    from (
        select
            found.lexeme,
            found.chunk_count,
            found.chunk_count / greatest(found.total, 1) as share,
            -- idf of Lucene's BM25, times how often the question says the word. One that the
            -- question does not say, but is also found by, counts half.
            found.times * case when found.is_part then 0.5 else 1 end
            * ln(1 + (found.total - found.chunk_count + 0.5) / (found.chunk_count + 0.5)) as weight,
            found.mean_frequency / (found.mean_frequency + 1.2) as saturation,
            found.is_known
        from (
            select
                said.lexeme,
                said.is_part,
                cardinality(said.positions) as times,
                known.lexeme is not null as is_known,
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total,
                -- A stem that occurs speaks for the same word's stems in other languages.
                bool_or(known.lexeme is not null) over (partition by said.positions) as is_answered
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total
                on total.index_id = recipe.id
                and total.tenant = (select coalesce(ragpg_internal.searched_tenant(), ''))
            cross join lateral ragpg_internal.query_lexemes(
                case
                    when recipe.language <> 'auto' then array[recipe.language]
                    when total.languages = '{}' then '{simple}'
                    else total.languages
                end,
                query_words.query
            ) as said
            -- Looked up once for each word: a join may be planned, while there are no statistics of
            -- this table, that reads all words of the index.
            left join lateral (
                select counted.lexeme, counted.chunk_count, counted.occurrence_count
                from ragpg.lexeme_statistics as counted
                where counted.index_id = recipe.id
                    and counted.tenant = total.tenant
                    and counted.lexeme = said.lexeme collate "C"
                limit 1
            ) as known on true
            where recipe.id = query_words.index_id
        ) as found
        where found.is_known or not found.is_answered
        order by is_known desc, weight desc, lexeme
        limit 64
    ) as asked
    order by 1;
end;
comment on function ragpg_internal.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question; half of it where the question is only also found by it), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk. Of more than 64 words those that weigh most, of those that occur.';
