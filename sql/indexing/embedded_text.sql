-- What did the embedding model read of this chunk?
create or replace function ragpg_internal.embedded_text(
    title text, context text, content text, ordinal integer
) returns text
language sql immutable
begin atomic
    -- Words are searched in the title with every chunk; embedded it is with the first one only.
    select case
        when embedded_text.ordinal = 0 then embedded_text.context
        when embedded_text.context = plain.title then ''
        when starts_with(embedded_text.context, plain.title || ' > ')
            then substr(embedded_text.context, char_length(plain.title) + 4)
        when starts_with(embedded_text.context, plain.title || E'\n')
            then substr(embedded_text.context, char_length(plain.title) + 2)
        else embedded_text.context
    end || E'\n' || embedded_text.content
    from (select btrim(regexp_replace(embedded_text.title, '\s+', ' ', 'g')) as title) as plain;
end;
comment on function ragpg_internal.embedded_text(text, text, text, integer) is
'Returns the text that is embedded for a chunk: its context, without the document''s title unless it is the first (ordinal 0), and its content.';
