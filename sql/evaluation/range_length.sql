-- How many characters do these spans hold?
create or replace function ragpg_internal.range_length(spans int4multirange) returns bigint
language sql immutable parallel safe
begin atomic
    select coalesce(sum(upper(part) - lower(part)), 0)
    from unnest(spans) as part;
end;
comment on function ragpg_internal.range_length(int4multirange) is
'Returns the number of characters in a set of spans.';
