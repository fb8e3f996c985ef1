-- What stands around a chunk?
create or replace function ragpg.surroundings(
    chunk_id bigint,
    neighbours integer default 1
) returns table (start_char integer, end_char integer, content text)
language sql stable
begin atomic
    select
        span.start_char, span.end_char,
        substr(kept.content, span.start_char + 1, span.end_char - span.start_char)
    from (
        select
            hit.document_id, hit.document_version,
            min(near.start_char) as start_char, max(near.end_char) as end_char
        from ragpg.chunks as hit
        join ragpg.chunks as near
            on near.index_id = hit.index_id
            and near.document_id = hit.document_id
            and near.document_version = hit.document_version
            and near.ordinal between hit.ordinal - surroundings.neighbours
                and hit.ordinal + surroundings.neighbours
        where hit.id = surroundings.chunk_id
        group by hit.document_id, hit.document_version
    ) as span
    cross join lateral (
        select document.content
        from ragpg.documents as document
        where document.id = span.document_id and document.version = span.document_version
        union all
        select earlier.content
        from ragpg.document_versions as earlier
        where earlier.document_id = span.document_id and earlier.version = span.document_version
        limit 1
    ) as kept;
end;
comment on function ragpg.surroundings(bigint, integer) is
'Returns the span and text from as many chunks before a chunk to as many after it, of the same document version: to search by small chunks and read larger ones. No row for a chunk that is gone.';
