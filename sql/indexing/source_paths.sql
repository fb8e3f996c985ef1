-- Which file and which folders does a source lie in? The file of a part comes before its #.
create or replace function ragpg_internal.source_paths(source text) returns setof text
language sql immutable parallel safe
begin atomic
    select source
    union all
    select left(source, regexp_instr(source, '[/#]', 1, nth) - 1)
    from generate_series(1, regexp_count(source, '[/#]')) as nth;
end;
comment on function ragpg_internal.source_paths(text) is
'Returns the source itself and everything before a / or # in it: of /srv/a.jsonl#7 also /srv/a.jsonl, /srv and the root (an empty text).';
