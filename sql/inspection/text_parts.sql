-- How much of this text is tables, how much code?
create or replace function ragpg_internal.text_parts(content text, media_type text)
returns table (table_characters bigint, code_characters bigint)
language sql immutable parallel safe
begin atomic
    select
        (
            select coalesce(sum(char_length(line)), 0)
            from string_to_table(text_parts.content, E'\n') as line
            where line like '|%'
        ),
        case
            when ragpg_internal.is_code(text_parts.media_type) then char_length(text_parts.content)
            else char_length(text_parts.content) - char_length(
                regexp_replace(E'\n' || text_parts.content, '\n {0,3}?```.*?\n {0,3}?```', '', 'g')
            ) + 1
        end;
end;
comment on function ragpg_internal.text_parts(text, text) is
'Returns how many characters of a document are in rows of Markdown tables and in fenced code (all of them when it is source code).';
