-- On which page is a character of version n of a document?
create or replace function ragpg_internal.page_at(
    document_id bigint, version integer, start_char integer
)
returns integer
language sql stable
begin atomic
    select width_bucket(page_at.start_char, nullif(stored.page_starts, '{}'))
    from (
        select document.version, document.page_starts
        from ragpg.documents as document
        where document.id = page_at.document_id
        union all
        select earlier.version, earlier.page_starts
        from ragpg.document_versions as earlier
        where earlier.document_id = page_at.document_id
    ) as stored
    where stored.version = page_at.version;
end;
comment on function ragpg_internal.page_at(bigint, integer, integer) is
'Returns the page (slide, sheet), from 1, that holds a character, counted from 0, of that version of a document; null when it has no pages.';
