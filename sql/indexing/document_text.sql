-- What did version n of a document say?
create or replace function ragpg.document_text(document_id bigint, version integer default null)
returns text
language sql stable
begin atomic
    select coalesce(
        (
            select document.content
            from ragpg.documents as document
            where document.id = document_text.document_id
                and document.version = coalesce(document_text.version, document.version)
        ),
        (
            select earlier.content
            from ragpg.document_versions as earlier
            where earlier.document_id = document_text.document_id
                and earlier.version = document_text.version
        )
    );
end;
comment on function ragpg.document_text(bigint, integer) is
'Returns the text of a document, the newest or the given version; null when there is none.';
