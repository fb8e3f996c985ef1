-- What stands around a chunk?
create or replace function ragpg.surroundings(
    chunk_id bigint,
    neighbours integer default 1
) returns table (start_char integer, end_char integer, content text)
language plpgsql stable
-- Not by names that are kept: Citus takes what depends on a distributed table to all servers.
set search_path = ragpg, pg_temp
as $$
declare
    hit record;
    span int4range;
begin
    select one.index_id, one.document_id, one.document_version, one.ordinal into hit
    from ragpg_internal.known_chunks(array[surroundings.chunk_id]) as one;
    select int4range(min(near.start_char), max(near.end_char)) into span
    from ragpg_internal.document_chunks(hit.index_id, array[hit.document_id]) as near
    where near.document_version = hit.document_version
        and near.ordinal between hit.ordinal - surroundings.neighbours
            and hit.ordinal + surroundings.neighbours;
    return query
    select
        lower(span), upper(span), substr(kept.content, lower(span) + 1, upper(span) - lower(span))
    from (
        select document.content
        from ragpg.documents as document
        where document.id = hit.document_id and document.version = hit.document_version
        union all
        select earlier.content
        from ragpg.document_versions as earlier
        where earlier.document_id = hit.document_id and earlier.version = hit.document_version
        limit 1
    ) as kept;
end
$$;
comment on function ragpg.surroundings(bigint, integer) is
'Returns the span and text from as many chunks before a chunk to as many after it, of the same document version: to search by small chunks and read larger ones. No row for a chunk that is gone.';
