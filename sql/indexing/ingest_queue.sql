-- What is stored but not yet searchable, and why?
create or replace view ragpg.ingest_queue with (security_invoker = true) as
select
    one.name as collection,
    document.source,
    document.version,
    state.document_version as indexed_version,
    coalesce(state.pending_since, document.updated_at) as waiting_since,
    document.id as document_id,
    recipe.id as index_id,
    recipe.id is not distinct from one.active_index_id as active,
    coalesce(state.attempts, 0) as attempts,
    state.error,
    state.next_attempt_at
from ragpg.documents as document
join ragpg.collections as one on one.id = document.collection_id
left join ragpg.search_indexes as recipe on recipe.collection_id = one.id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = recipe.id
where state.document_version is distinct from document.version;
comment on view ragpg.ingest_queue is
'A row per document and search index that does not hold its newest version: written by SQL and not picked up by a worker yet, left by an ingest that was stopped, or failing (error).';
comment on column ragpg.ingest_queue.collection is 'Name of the collection.';
comment on column ragpg.ingest_queue.source is 'The document''s source.';
comment on column ragpg.ingest_queue.version is 'The version that waits.';
comment on column ragpg.ingest_queue.indexed_version is 'The version this search index holds; null when none.';
comment on column ragpg.ingest_queue.waiting_since is 'Since when it waits.';
comment on column ragpg.ingest_queue.document_id is 'Its id.';
comment on column ragpg.ingest_queue.index_id is 'The search index; null when the collection has none yet.';
comment on column ragpg.ingest_queue.active is 'Whether searches use that index.';
comment on column ragpg.ingest_queue.attempts is 'How often indexing this version failed.';
comment on column ragpg.ingest_queue.error is 'What the last attempt said.';
comment on column ragpg.ingest_queue.next_attempt_at is 'When workers try next.';
