-- Does a filter compare dates or times?
create or replace function ragpg_internal.has_times(filter jsonpath) returns boolean
language sql immutable parallel safe
return filter::text ~ '\.(datetime|date|time|time_tz|timestamp|timestamp_tz)\(';
comment on function ragpg_internal.has_times(jsonpath) is
'Returns whether a filter reads texts as dates or times.';
