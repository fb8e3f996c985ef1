-- What is in each collection, and is it all indexed?
create or replace view ragpg.collection_status with (security_invoker = true) as
select
    one.name as collection,
    one.description,
    count(document.id) as documents,
    count(document.id) filter (where state.document_version is distinct from document.version)
        as pending_documents,
    coalesce(sum(state.chunk_count), 0) as chunks,
    coalesce(sum(char_length(document.content)), 0) as characters,
    max(document.updated_at) as last_changed_at,
    max(state.indexed_at) as last_indexed_at,
    model.name as embedding_model,
    recipe.id as active_index_id,
    recipe.chunk_tokens,
    recipe.language
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
left join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.documents as document on document.collection_id = one.id
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = recipe.id
group by one.id, recipe.id, model.id;
comment on view ragpg.collection_status is
'A row per collection: how much is in it, how much of it waits to be indexed, by which recipe it is searched.';
comment on column ragpg.collection_status.collection is 'Name of the collection.';
comment on column ragpg.collection_status.description is 'What it holds, for people.';
comment on column ragpg.collection_status.documents is 'Documents stored.';
comment on column ragpg.collection_status.pending_documents is
'Documents whose newest version is not indexed yet: searches do not see it.';
comment on column ragpg.collection_status.chunks is 'Chunks of the active search index.';
comment on column ragpg.collection_status.characters is 'Characters of all documents.';
comment on column ragpg.collection_status.last_changed_at is 'When a document last changed.';
comment on column ragpg.collection_status.last_indexed_at is 'When a document was last indexed.';
comment on column ragpg.collection_status.embedding_model is 'Model of the active search index.';
comment on column ragpg.collection_status.active_index_id is 'The search index that answers.';
comment on column ragpg.collection_status.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.collection_status.language is 'Text-search configuration of the word leg.';
