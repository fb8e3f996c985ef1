-- What does a filter join, by which operator?
create or replace function ragpg_internal.filter_parts(
    condition text,
    out operator text,
    out parts text[]
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    is_enclosed boolean;
begin
    -- Most filters are one comparison.
    parts := regexp_match(condition, '^\(?((?:"(?:[^"\\]|\\.)*"|[^"()&|])+)\)?$');
    if parts is not null then
        return;
    end if;
    -- A jsonpath writes itself with blanks around operators, keys and strings in double quotes, and
    -- parentheses where && stands within && and || within &&.
    loop
        with token as (
            select
                found.part[1] as part, found.place,
                sum(case found.part[1] when '(' then 1 when ')' then -1 else 0 end)
                    over (order by found.place) as depth
            from regexp_matches(
                condition, '"(?:[^"\\]|\\.)*"| && | \|\| |[()]|[^"()&| ]+|.', 'g'
            ) with ordinality as found (part, place)
        ),
        joined as (
            select max(token.part) as operator  -- || binds less
            from token
            where token.depth = 0 and token.part in (' && ', ' || ')
        ),
        divided as (
            select
                token.*,
                count(*) filter (where token.depth = 0 and token.part = joined.operator)
                    over (order by token.place) as number,
                token.depth = 0 and token.part = joined.operator as divides
            from token
            cross join joined
        ),
        held as (
            select divided.number, string_agg(divided.part, '' order by divided.place) as part
            from divided
            where divided.divides is not true
            group by divided.number
        )
        select
            (select joined.operator from joined),
            array(select held.part from held order by held.number),
            -- Do the first parenthesis and the last one belong together?
            (
                select
                    bool_and(token.depth > 0 or token.place = last.place)
                    and bool_or(token.depth > 0)
                from token
                cross join (select max(token.place) as place from token) as last
            ) and condition like '(%'
        into operator, parts, is_enclosed;
        exit when not coalesce(is_enclosed, false);
        condition := substr(condition, 2, length(condition) - 2);
    end loop;
    if operator is not null then
        parts := array(
            select unnest(
                case within.operator when filter_parts.operator then within.parts
                    else array[part] end
            )
            from unnest(filter_parts.parts) as part
            cross join lateral ragpg_internal.filter_parts(part) as within
        );
    end if;
end
$$;
comment on function ragpg_internal.filter_parts(text) is
'Returns the conditions that a jsonpath predicate, as Postgres writes it, joins by && or ||, and which of them; the one condition it is, without parentheses around it, where it joins none.';
