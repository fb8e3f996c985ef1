-- Does a document's metadata pass a filter?
create or replace function ragpg_internal.passes(
    metadata jsonb, filter jsonpath, has_times boolean default null
) returns boolean
language sql stable parallel safe
-- Inlined into the statements that use it, so that `@@` finds its index. Times are compared by the
-- session's time zone where one has none: `@@` would raise an error that nothing silences.
return case
    when coalesce(has_times, ragpg_internal.has_times(filter))
        then jsonb_path_match_tz(metadata, filter, '{}', true)
    else metadata @@ filter
end;
comment on function ragpg_internal.passes(jsonb, jsonpath, boolean) is
'Returns whether metadata pass a filter; null, as good as no, where the filter cannot be asked of them: a value of another type, a time that is none. has_times, where it is known, is ragpg_internal.has_times of the filter, which a statement that is planned once would ask for each row.';
