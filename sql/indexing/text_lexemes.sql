-- The words of a text as the word leg counts them.
create or replace function ragpg.text_lexemes(content text, language text) returns tsvector
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    -- Scripts without spaces between words, and Hangul, whose words carry their particles.
    run constant text := '[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f'
        '\u1050-\u108f\u1780-\u17d3\u17dd\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa'
        '\u30fc-\u30ff\u31f0-\u31ff\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff'
        '\uff66-\uff9f\U00020000-\U0003ffff]+';
    -- A letter with the marks that belong to it.
    letter constant text := '.[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd'
        '\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074'
        '\u1082-\u108d\u108f\u17b4-\u17d3\u17dd\u3099\u309a\uff9e\uff9f]*';
    pairs tsvector;
    said tsvector;
    parts tsvector;
    silent tsvector;
begin
    content := ragpg_internal.normal_form(content);
    if content ~ run then
        select string_agg(format('''%s'':%s', counted.pair, least(counted.place, 16383)), ' ')::tsvector
        into pairs
        from (
            select
                unit.letter || coalesce(unit.next, '') as pair,
                row_number() over (order by unit.run, unit.place) as place
            from (
                select
                    part.place as run, one.place, one.found[1] as letter,
                    lead(one.found[1]) over same_run as next,
                    count(*) over (partition by part.place) as letters
                from regexp_matches(content, run, 'g') with ordinality as part (found, place)
                cross join lateral regexp_matches(part.found[1], letter, 'g') with ordinality
                    as one (found, place)
                window same_run as (partition by part.place order by one.place)
            ) as unit
            where unit.next is not null or unit.letters = 1
        ) as counted;
        content := regexp_replace(content, run, ' ', 'g');
    end if;
    said := to_tsvector(language::regconfig, content);
    parts := ragpg_internal.word_parts(content, language);
    if language <> 'simple' and content ~ '\S\s+\S' then
        -- Two words in a row that the configuration leaves out, after the common grams of Lucene:
        -- a question may have no others.
        with left_out as (
            select word.lexeme, word.place
            from (
                select each.lexeme, unnest(each.positions) as place
                from unnest(to_tsvector('simple', content)) as each
            ) as word
            where word.place not in (
                select unnest(kept.positions) from unnest(said) as kept
            )
        )
        select string_agg(format('''%s %s'':%sB', one.lexeme, other.lexeme, one.place), ' ')::tsvector
        into silent
        from left_out as one
        join left_out as other on other.place = one.place + 1
        where one.lexeme || other.lexeme !~ '[''\\]';
    end if;
    said := coalesce(pairs || said, said);
    return said
        || ts_delete(
            parts,
            tsvector_to_array(said) || array(
                select part.lexeme from unnest(parts) as part where char_length(part.lexeme) = 1
            )
        )
        || coalesce(silent, '');
end
$$;
comment on function ragpg.text_lexemes(text, text) is
'Returns the words of a text with their places: stems by the text-search configuration, and every two letters in a row where a script puts no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; Korean too), a lone letter as it is. Labelled C, what else finds it: parts and wholes of compounds, words without accents, numbers without grouping signs. Labelled B, every two words in a row that the configuration leaves out. Labelled ones do not count to the length.';
