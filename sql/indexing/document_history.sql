-- What did a document say, and when?
create or replace view ragpg.document_history with (security_invoker = true) as
select
    one.name as collection,
    version.source,
    version.version,
    version.title,
    version.valid_from,
    version.valid_to,
    char_length(version.content) as characters,
    (
        select count(*)
        from ragpg.citations as cited
        where cited.document_id = version.document_id
            and cited.document_version = version.version
    ) as citations,
    version.document_id
from (
    select
        document.collection_id, document.source, document.version, document.title,
        document.updated_at as valid_from, null::timestamptz as valid_to, document.content,
        document.id as document_id
    from ragpg.documents as document
    union all
    select
        earlier.collection_id, earlier.source, earlier.version, earlier.title,
        earlier.valid_from, earlier.valid_to, earlier.content, earlier.document_id
    from ragpg.document_versions as earlier
) as version
join ragpg.collections as one on one.id = version.collection_id;
comment on view ragpg.document_history is
'A row per version of every document, deleted ones too; ragpg.document_text(document_id, version) gives its text.';
comment on column ragpg.document_history.collection is 'Name of the collection.';
comment on column ragpg.document_history.source is 'The document''s source then.';
comment on column ragpg.document_history.version is 'Which version.';
comment on column ragpg.document_history.title is 'Its title then.';
comment on column ragpg.document_history.valid_from is 'Since when it was current.';
comment on column ragpg.document_history.valid_to is 'Until when; null when it is current.';
comment on column ragpg.document_history.characters is 'Length of its text.';
comment on column ragpg.document_history.citations is 'Citations that point at it.';
comment on column ragpg.document_history.document_id is 'The document.';
