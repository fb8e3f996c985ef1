-- Is a document among those that a filter, or a list of sources, names?
create or replace function ragpg_internal.is_chosen(
    source text, metadata jsonb, sources text[], filter jsonpath
) returns boolean
language sql stable parallel safe
-- Inlined, so that what is not given costs nothing and sources find their index.
return (sources is null or source = any(sources))
    and (filter is null or ragpg_internal.passes(metadata, filter));
comment on function ragpg_internal.is_chosen(text, jsonb, text[], jsonpath) is
'Returns whether a document''s source is one of the sources and its metadata pass the filter; what is null chooses all.';
