-- A text as words are looked for in it.
create or replace function ragpg_internal.normal_form(content text) returns text
language sql immutable strict parallel safe
return case
    when content ~ '^[\u0001-\u007f]*$' then content
    else regexp_replace(
        translate(
            -- A no-break space between three digits and others groups a number.
            normalize(
                regexp_replace(
                    content, '([[:digit:]])[\u00a0\u2009\u202f](?=[[:digit:]]{3})', '\1', 'g'
                ),
                nfkc
            ),
            U&'\2010\2011\2012\2013\2014\2015\2212\2018\2019\02BC', '-------'''''''
        ),
        -- Hyphens that show at the end of a line alone, marks without width or of direction,
        -- choices of a glyph, and the stroke that lengthens Arabic words.
        '\u00ad\n?|[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f\u0640]', '', 'g'
    )
end;
comment on function ragpg_internal.normal_form(text) is
'Returns a text as words are looked for in it: Unicode''s NFKC (Annex 15), so that ligatures, full-width and decomposed letters are the plain ones, without soft hyphens and marks of no width; every dash and apostrophe the plain one.';
