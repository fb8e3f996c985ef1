-- Where are the question's words in this text?
create or replace function ragpg.highlight(
    content text,
    query text,
    language text default 'english',
    start_mark text default '**',
    end_mark text default '**'
) returns text
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    words tsquery;
    -- Of scripts without spaces, where text_lexemes counts pairs of letters: any two to eight
    -- letters in a row that the question has in a row.
    run constant text := '[\u0e01-\u0edf\u1000-\u108f\u1780-\u17dd\u3041-\u9fff\uac00-\ud7af]{2,}';
    rows_of_letters text;
    marked text := content;
begin
    select string_agg(ragpg_internal.lexeme_query(word.lexeme)::text, ' | ')::tsquery into words
    from unnest(to_tsvector(language::regconfig, regexp_replace(query, run, ' ', 'g'))) as word;
    if words is not null then
        marked := ts_headline(
            language::regconfig, content, words,
            format('HighlightAll=true, StartSel="%s", StopSel="%s"', start_mark, end_mark)
        );
    end if;
    select string_agg(distinct substr(part.found[1], start, length), '|') into rows_of_letters
    from regexp_matches(query, run, 'g') as part (found)
    cross join lateral generate_series(1, char_length(part.found[1]) - 1) as start
    cross join lateral generate_series(
        2, least(8, char_length(part.found[1]) - start + 1)
    ) as length;
    return case
        when rows_of_letters is null then marked
        else regexp_replace(
            marked, rows_of_letters,
            replace(start_mark, '\', '\\') || '\&' || replace(end_mark, '\', '\\'), 'g'
        )
    end;
end
$$;
comment on function ragpg.highlight(text, text, text, text, text) is
'Returns the text with the words of the query (whatever their form) between the marks. language is a text-search configuration, such as that of the chunk.';
