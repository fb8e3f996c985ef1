-- Which words does a question have in the languages of a search index?
create or replace function ragpg_internal.query_lexemes(languages text[], query text)
returns table (lexeme text, positions smallint[])
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    stop_positions smallint[];
begin
    if cardinality(languages) = 1 then
        return query
        select word.lexeme, word.positions
        from unnest(ragpg.text_lexemes(query_lexemes.query, languages[1])) as word;
        return;
    end if;
    -- The question is taken for the language of which it has most stop words; they are left out
    -- under every language, or English "the" would be a rare word of German texts.
    select dropped.positions into stop_positions
    from unnest(languages) as spoken (language)
    cross join lateral (
        select array_agg(token.place) as positions, count(*) as stop_words
        from (
            select distinct unnest(word.positions) as place
            from unnest(ragpg.text_lexemes(query_lexemes.query, 'simple')) as word
        ) as token
        where not exists (
            select
            from unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as kept
            where token.place = any(kept.positions)
        )
    ) as dropped
    order by dropped.stop_words desc, spoken.language
    limit 1;
    return query
    select distinct on (word.lexeme) word.lexeme, word.positions
    from unnest(languages) as spoken (language)
    cross join lateral unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as word
    where not word.positions <@ coalesce(stop_positions, '{}')
    order by word.lexeme, cardinality(word.positions) desc;
end
$$;
comment on function ragpg_internal.query_lexemes(text[], text) is
'Returns the words of a question with their places, stemmed by each of the languages, without the stop words of the one it seems to be in.';
