-- Which moment does a text name?
create or replace function ragpg_internal.instant(content text) returns numeric
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    found text;
begin
    -- Most texts are none, and none is longer. Fractions and Z are not read before Postgres 17.
    if content !~ '^\s*[-+\d]' or length(content) > 60 then
        return null;
    end if;
    found := jsonb_path_query_first(
        to_jsonb(regexp_replace(regexp_replace(content, '\.\d+', ''), 'Z$', '+00:00')),
        '$.datetime() ? (@.type() == "date" || @.type() starts with "timestamp")', silent => true
    ) #>> '{}';
    return extract(epoch from case
        when found ~ 'T.*[-+]' then found::timestamptz
        else (found || case when found ~ 'T' then 'Z' else 'T00:00:00Z' end)::timestamptz
    end);
exception
    when data_exception then
        return 'NaN';
end
$$;
comment on function ragpg_internal.instant(text) is
'Returns the seconds since 1970 of a date, or of a time with its date, as jsonpath''s datetime() reads it, by UTC where it says no zone; null for any other text; NaN for one that datetime() reads and no timestamp holds.';
