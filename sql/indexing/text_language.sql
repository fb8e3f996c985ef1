-- Which language is this text in?
create or replace function ragpg.text_language(content text) returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    -- Without fenced code, tags and addresses, which are English everywhere.
    sample text := lower(left(
        regexp_replace(
            regexp_replace(E'\n' || left(content, 12000), '\n {0,3}?```.*?\n {0,3}?```', '', 'g'),
            '<[^<>]*>|https?://[^ \n<>)]*|\{[^ \n{}]*\}|`[^`\n]*`|\]\([^ \n)]*', ' ', 'g'
        ),
        2000
    ));
    script_name text;
    latin integer := char_length(sample)
        - char_length(regexp_replace(sample, '[a-z\u00df-\u024f\u1e00-\u1eff]+', '', 'g'));
    kana integer := regexp_count(sample, '[\u3040-\u30ff]');
    han integer := regexp_count(sample, '[\u3400-\u4dbf\u4e00-\u9fff]');
    found_language text;
begin
    -- A Chinese or Japanese character is about a third of a word; others are letters.
    select candidate.name into script_name
    from (
        values
            ('latin', latin),
            ('chinese', 3 * (han + kana)),
            ('korean', 2 * regexp_count(sample, '[\uac00-\ud7af]')),
            ('thai', regexp_count(sample, '[\u0e00-\u0e7f]')),
            ('arabic', regexp_count(sample, '[\u0600-\u06ff\u0750-\u077f]')),
            ('hebrew', regexp_count(sample, '[\u0590-\u05ff]')),
            ('hindi', regexp_count(sample, '[\u0900-\u097f]')),
            ('greek', regexp_count(sample, '[\u0370-\u03ff\u1f00-\u1fff]')),
            ('armenian', regexp_count(sample, '[\u0530-\u058f]')),
            ('tamil', regexp_count(sample, '[\u0b80-\u0bff]')),
            ('cyrillic', regexp_count(sample, '[\u0400-\u04ff]'))
    ) as candidate (name, weight)
    where candidate.weight >= 20
    order by candidate.weight desc, candidate.name
    limit 1;
    if script_name = 'chinese' and kana > 0.1 * (han + kana) then
        return 'japanese';
    elsif script_name = 'cyrillic' and regexp_count(sample, '[\u0454\u0456\u0457\u0491]') > 0.03 * char_length(sample) then
        return 'ukrainian';
    elsif script_name = 'latin' and regexp_count(sample, '[\u1ea0-\u1ef9]') > 0.03 * latin then
        return 'vietnamese';
    elsif script_name = 'latin' and regexp_count(sample, '[\u0103\u021b\u0163]') > 0.015 * latin then
        return 'romanian';
    elsif script_name not in ('latin', 'cyrillic') or script_name is null then
        return script_name;
    end if;
    -- The share of words that are stop words, by the dictionaries Postgres brings.
    with word as materialized (
        select token, count(*) as times
        from ts_parse('default', sample)
        where tokid in (1, 2) and char_length(token) > 1
        group by token
    ),
    looked_up as materialized (
        select language.name, word.times, ts_lexize(language.dictionary, word.token) = '{}' as is_stop
        from word
        cross join (
            values
                ('cyrillic', 'russian', 'pg_catalog.russian_stem'::regdictionary),
                ('latin', 'danish', 'pg_catalog.danish_stem'),
                ('latin', 'dutch', 'pg_catalog.dutch_stem'),
                ('latin', 'english', 'pg_catalog.english_stem'),
                ('latin', 'finnish', 'pg_catalog.finnish_stem'),
                ('latin', 'french', 'pg_catalog.french_stem'),
                ('latin', 'german', 'pg_catalog.german_stem'),
                ('latin', 'hungarian', 'pg_catalog.hungarian_stem'),
                ('latin', 'italian', 'pg_catalog.italian_stem'),
                ('latin', 'norwegian', 'pg_catalog.norwegian_stem'),
                ('latin', 'portuguese', 'pg_catalog.portuguese_stem'),
                ('latin', 'spanish', 'pg_catalog.spanish_stem'),
                ('latin', 'swedish', 'pg_catalog.swedish_stem'),
                ('latin', 'turkish', 'pg_catalog.turkish_stem')
        ) as language (script, name, dictionary)
        where language.script = script_name
    ),
    share as (
        select
            looked_up.name,
            sum(looked_up.times) filter (where looked_up.is_stop) / sum(looked_up.times) as share,
            count(*) filter (where looked_up.is_stop) as words
        from looked_up
        group by looked_up.name
    )
    select ranked.name into found_language
    from (
        select share.name, share.share, lead(share.share) over (order by share.share desc) as next
        from share
        where share.words >= 3  -- different ones: a table's "no" is no language
        order by share.share desc
        limit 1
    ) as ranked
    where ranked.share >= 0.1 and ranked.share >= 1.1 * coalesce(ranked.next, 0);
    return found_language;
end
$$;
comment on function ragpg.text_language(text) is
'Returns the language of a text by the name of its text-search configuration where Postgres has one, such as english; null when it cannot tell. Script decides where it can (chinese, japanese, korean, thai, hebrew, tamil, ukrainian, vietnamese and romanian by letters of theirs); else the share of stop words. Reads the first 2,000 characters that are not code, tags or addresses. Languages Postgres has no stop words for, such as Polish, come out as null or as a relative.';
