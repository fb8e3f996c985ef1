-- Which text stands from here to there, for many spans?
create or replace function ragpg_internal.cut_spans(body text, starts integer[], ends integer[])
returns text[]
language plpgsql immutable
set search_path = ragpg, pg_temp
as $$
declare
    -- A block is cut out of the text once for all spans that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest constant integer := (
        select max(given.end_char - given.start_char)
        from unnest(starts, ends) as given (start_char, end_char)
    );
begin
    return (
        with blocks as materialized (
            select used.number, substr(body, used.number * block + 1, block + longest) as content
            from (
                select distinct given.start_char / block as number
                from unnest(starts) as given (start_char)
            ) as used
        )
        select array_agg(
            substr(
                blocks.content, span.start_char - blocks.number * block + 1,
                span.end_char - span.start_char
            )
            order by span.place
        )
        from unnest(starts, ends) with ordinality as span (start_char, end_char, place)
        join blocks on blocks.number = span.start_char / block
    );
end
$$;
comment on function ragpg_internal.cut_spans(text, integer[], integer[]) is
'Returns the characters of a text from each start (from 0) to its end (exclusive).';
