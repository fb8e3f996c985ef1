-- Does a document's metadata pass a filter?
create or replace function ragpg_internal.passes(metadata jsonb, filter jsonpath) returns boolean
language sql stable parallel safe
-- Inlined into the statements that use it, so that `@@` finds its index. Times are compared by the
-- session's time zone where one has none: `@@` would raise an error that nothing silences.
return case
    when filter::text ~ '\.(datetime|date|time|time_tz|timestamp|timestamp_tz)\('
        then jsonb_path_match_tz(metadata, filter, '{}', true)
    else metadata @@ filter
end;
comment on function ragpg_internal.passes(jsonb, jsonpath) is
'Returns whether metadata pass a filter; null, as good as no, where the filter cannot be asked of them: a value of another type, a time that is none.';
