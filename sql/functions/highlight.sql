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
begin
    select string_agg(ragpg.lexeme_query(word.lexeme)::text, ' | ')::tsquery into words
    from unnest(to_tsvector(language::regconfig, query)) as word;
    if words is null then
        return content;
    end if;
    return ts_headline(
        language::regconfig, content, words,
        format('HighlightAll=true, StartSel="%s", StopSel="%s"', start_mark, end_mark)
    );
end
$$;
comment on function ragpg.highlight(text, text, text, text, text) is
'Returns the text with the words of the query (whatever their form) between the marks.';
