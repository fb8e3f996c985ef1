-- Which values does a condition of a filter ask for?
create or replace function ragpg_internal.filter_condition(
    condition text,
    out kind "char",
    out key text,
    out sign text,
    out number numeric,
    out word text,
    out is_exact boolean
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    path constant text := '\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+';
    literal constant text := '(?:"(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9e]*|true|false|null)';
    -- Without a format, or with one of those by which Python's filters read what has Z.
    moment constant text :=
        '(?:\.datetime\((?:"yyyy-mm-dd\\"T\\"hh24:mi:ss(?:\.us)?\\"Z\\"")?\))?';
    signs constant text := ' (?:==|<=?|>=?|starts with) ';
    is_turned constant boolean := condition not like '$%';
    pattern text;
    part text;
    said text[];
begin
    -- Part by part: one expression that captures all five took 270 us.
    foreach pattern in array case
        when is_turned then array[literal, moment, signs, path, moment]
        else array[path, moment, signs, literal, moment] end
    loop
        part := regexp_substr(condition, '^' || pattern);
        if part is null then
            return;
        end if;
        said := said || part;
        condition := substr(condition, length(part) + 1);
    end loop;
    if is_turned then
        said := array[said[4], said[5], translate(said[3], '<>', '><'), said[1], said[2]];
    end if;
    if condition <> '' or (said[2] = '') <> (said[5] = '') then
        return;
    end if;
    key := (
        select string_agg(
            ragpg_internal.key_step(step.found[1]::jsonb #>> '{}'), '.' order by step.place
        )
        from regexp_matches(said[1], '"(?:[^"\\]|\\.)*"', 'g')
            with ordinality as step (found, place)
    );
    sign := btrim(said[3]);
    is_exact := true;
    if said[5] <> '' then
        kind := 't';
        number := ragpg_internal.instant(said[4]::jsonb #>> '{}');
        -- A zone that was not said may be any: Postgres takes up to a week.
        is_exact := false;
    elsif said[4] like '"%' then
        kind := 's';
        word := said[4]::jsonb #>> '{}';
        if length(word) >= 100 then
            word := left(word, 100);
            sign := case sign when '<' then '<=' when '>' then '>=' else sign end;
            is_exact := false;
        end if;
    elsif said[4] ~ '^[-0-9]' then
        kind := 'n';
        number := said[4]::numeric;
    else
        kind := 'l';
        word := said[4];
    end if;
    if length(key) > 100
        or coalesce(number = 'NaN' or length(said[4]) > 100 and kind = 'n', word is null)
        -- jsonpath orders texts by their UTF-16, which is their UTF-8's order up to there.
        or kind = 's' and sign <> '==' and word ~ '[\ue000-\U0010ffff]'
        or kind = 'l' and sign <> '=='
        or kind <> 's' and sign = 'starts with'
    then
        kind := null;
    end if;
end
$$;
comment on function ragpg_internal.filter_condition(text) is
'Returns what a comparison of a jsonpath predicate asks for, in the words of ragpg.document_values: kind, key, sign (==, <, <=, >, >=, starts with), number or word, and whether the values for which that is true are exactly those that the comparison lets through, or may be more. No kind where the values cannot tell.';
