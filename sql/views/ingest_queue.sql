-- What is stored but not yet searchable?
create or replace view ragpg.ingest_queue with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.version,
    state.document_version as indexed_version,
    document.updated_at as waiting_since,
    document.id as document_id
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = one.active_index_id
where state.document_version is distinct from document.version;
comment on view ragpg.ingest_queue is
'Documents whose newest version is not indexed: written by SQL, or by an ingest that was stopped.';
comment on column ragpg.ingest_queue.collection is 'Name of the collection.';
comment on column ragpg.ingest_queue.source is 'The document''s source.';
comment on column ragpg.ingest_queue.version is 'The version that waits.';
comment on column ragpg.ingest_queue.indexed_version is 'The version searches see; null when none.';
comment on column ragpg.ingest_queue.waiting_since is 'Since when it waits.';
comment on column ragpg.ingest_queue.document_id is 'Its id.';
