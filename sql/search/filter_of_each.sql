-- What does a filter ask of each value of a list?
create or replace function ragpg_internal.filter_of_each(condition text) returns text
language sql immutable parallel safe
return (
    select string_agg(
        case token.part[1] when '@' then asked.part[1] else token.part[1] end, ''
        order by token.place
    )
    from regexp_match(
        condition, '^exists \((\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+)\?(\(.*\))\)$'
    ) as asked (part)
    cross join lateral regexp_matches(asked.part[2], '"(?:[^"\\]|\\.)*"|[^"@]+|@', 'g')
        with ordinality as token (part, place)
);
comment on function ragpg_internal.filter_of_each(text) is
'Returns the condition that exists ($.key ? (condition)) has of each value, asked of the key instead, which lets more through; null of anything else.';
