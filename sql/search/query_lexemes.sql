-- Which words does a question have in the languages of a search index?
create or replace function ragpg_internal.query_lexemes(languages text[], query text)
returns table (lexeme text, positions smallint[], is_part boolean)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    stop_positions smallint[];
begin
    if cardinality(languages) > 1 then
        -- The question is taken for the language of which it has most stop words; they are left
        -- out under every language, or English "the" would be a rare word of German texts.
        select dropped.positions into stop_positions
        from unnest(languages) as spoken (language)
        cross join lateral (
            select array_agg(token.place) as positions, count(*) as stop_words
            from (
                select distinct unnest(word.positions) as place
                from unnest(ragpg.text_lexemes(query_lexemes.query, 'simple')) as word
                where 'D' = any(word.weights)
            ) as token
            where not exists (
                select
                from unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as kept
                where token.place = any(kept.positions) and 'D' = any(kept.weights)
            )
        ) as dropped
        order by dropped.stop_words desc, spoken.language
        limit 1;
    end if;
    return query
    with said as (
        select distinct on (word.lexeme)
            word.lexeme, word.positions, word.weights[1] = 'C' as is_part,
            word.weights[1] = 'B' as is_silent
        from unnest(languages) as spoken (language)
        cross join lateral unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as word
        where word.weights[1] <> 'D' or not word.positions <@ coalesce(stop_positions, '{}')
        order by word.lexeme, cardinality(word.positions) desc
    )
    -- Two stop words in a row are asked for by a question that has no others.
    select said.lexeme, said.positions, said.is_part
    from said
    where not said.is_silent or not exists (select from said as other where not other.is_silent);
end
$$;
comment on function ragpg_internal.query_lexemes(text[], text) is
'Returns the words of a question with their places, stemmed by each of the languages, without the stop words of the one it seems to be in; those it is also found by (ragpg_internal.word_parts) marked. Of a question of stop words alone every two in a row.';
