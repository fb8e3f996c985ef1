-- Which documents are there, and is each one indexed as it is now?
create or replace view ragpg.document_status with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.title,
    document.media_type,
    document.metadata,
    document.version,
    char_length(document.content) as characters,
    state.chunk_count as chunks,
    document.version is not distinct from state.document_version as indexed,
    document.created_at,
    document.updated_at,
    state.indexed_at,
    document.source_hash,
    document.id as document_id
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = one.active_index_id;
comment on view ragpg.document_status is 'A row per document, with whether its newest version is indexed.';
comment on column ragpg.document_status.collection is 'Name of the collection.';
comment on column ragpg.document_status.source is 'The document''s source.';
comment on column ragpg.document_status.title is 'Its title.';
comment on column ragpg.document_status.media_type is 'What the source was.';
comment on column ragpg.document_status.metadata is 'Its metadata.';
comment on column ragpg.document_status.version is 'Its newest version.';
comment on column ragpg.document_status.characters is 'Length of its text.';
comment on column ragpg.document_status.chunks is 'Chunks in the active search index.';
comment on column ragpg.document_status.indexed is 'Whether the newest version is what searches see.';
comment on column ragpg.document_status.created_at is 'When it was first stored.';
comment on column ragpg.document_status.updated_at is 'When its newest version was stored.';
comment on column ragpg.document_status.indexed_at is 'When it was last indexed.';
comment on column ragpg.document_status.source_hash is 'Hash of the bytes it was read from.';
comment on column ragpg.document_status.document_id is 'Its id.';
