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
    -- Of scripts without spaces, where text_lexemes counts pairs of letters: any two to eight
    -- letters in a row that the question has in a row.
    run constant text := '[\u0e01-\u0edf\u1000-\u108f\u1780-\u17dd\u3041-\u9fff\uac00-\ud7af]{2,}';
    rows_of_letters text;
    said constant tsvector := ragpg.text_lexemes(regexp_replace(query, run, ' ', 'g'), language);
    -- A question of stop words alone asks for these.
    spoken constant text := case when ts_filter(said, '{c,d}') = '' then 'simple' else language end;
    words constant text[] := tsvector_to_array(
        case
            when spoken = language then ts_filter(said, '{c,d}')
            else ragpg.text_lexemes(query, spoken)
        end
    );
    marked text := content;
    mark constant text := regexp_replace(start_mark, '([^[:alnum:]\s])', '\\\1', 'g');
    -- What has the marks already, as in **Markdown**, within a paragraph.
    emphasis constant text := mark || '\S(?:(?!\n\s*\n|' || mark || ').)*' || mark;
begin
    if start_mark = end_mark and start_mark <> '' and content ~ emphasis then
        return (
            select string_agg(
                case
                    when part.found[1] ~ ('^' || mark) then part.found[1]
                    else ragpg.highlight(part.found[1], query, language, start_mark, end_mark)
                end,
                '' order by part.place
            )
            from regexp_matches(
                content, emphasis || '|' || mark || '|(?:(?!' || mark || ').)+', 'g'
            ) with ordinality as part (found, place)
        );
    end if;
    -- Of a compound the parts that were asked for, or all of it where no part alone was.
    if words <> '{}' then
        with parts as materialized (
            select part.found[1] as token, part.place
            from regexp_matches(content, '\s+|\S+', 'g') with ordinality as part (found, place)
        ),
        found as materialized (
            select once.token
            from (select distinct one.token from parts as one where one.token ~ '\S') as once
            where tsvector_to_array(
                ragpg.text_lexemes(regexp_replace(once.token, run, ' ', 'g'), spoken)
            ) && words
        )
        select
            string_agg(
                case
                    when inner_parts.in_parts is null then part.token
                    when inner_parts.is_in_parts then inner_parts.in_parts
                    else regexp_replace(
                        part.token, '^([^[:alnum:]]*)(.*?[[:alnum:]][+#%]*)([^[:alnum:]]*)$',
                        '\1' || replace(start_mark, '\', '\\') || '\2'
                        || replace(end_mark, '\', '\\') || '\3'
                    )
                end,
                '' order by part.place
            )
        into marked
        from parts as part
        left join found on found.token = part.token
        left join lateral (
            select
                string_agg(
                    case
                        when one.is_found then start_mark || one.piece || end_mark
                        else one.piece
                    end,
                    '' order by one.place
                ) as in_parts,
                bool_or(one.is_found) as is_in_parts
            from (
                select
                    piece.found[1] as piece, piece.place,
                    tsvector_to_array(
                        ragpg.text_lexemes(regexp_replace(piece.found[1], run, ' ', 'g'), spoken)
                    ) && words as is_found
                from regexp_matches(found.token, '[!-/:-@[-`{-~]+|[^!-/:-@[-`{-~]+', 'g')
                    with ordinality as piece (found, place)
            ) as one
        ) as inner_parts on true;
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
'Returns the text with the words of the query (whatever their form, within compounds too) between the marks; what stands between such marks already, as in **Markdown**, stays as it is. language is a text-search configuration, such as that of the chunk.';
