-- How large is each search index, and are its statistics fresh?
create or replace view ragpg.index_health with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.state,
    model.name as embedding_model,
    recipe.chunk_tokens,
    held.chunks,
    held.documents,
    statistics.chunk_count as counted_chunks,
    statistics.refreshed_at,
    (sizes.measured).table_bytes,
    (sizes.measured).index_bytes,
    coalesce(
        (
            select bool_and(part.indisvalid)
            from pg_index as part
            where part.indrelid = partition.relation
        ),
        false
    ) as indexes_valid,
    held.pending_documents,
    held.failed_documents,
    recipe.overlap_tokens,
    recipe.language,
    recipe.created_at,
    recipe.activated_at,
    recipe.ef_search,
    (sizes.measured).vector_index_bytes,
    (sizes.measured).vector_index_bytes::double precision
        / pg_size_bytes(current_setting('shared_buffers')) as share_of_buffers,
    (sizes.measured).dead_chunks,
    measured.recall,
    measured.measured_at as recall_measured_at,
    recipe.context_model,
    recipe.quantize
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.index_statistics as statistics
    on statistics.index_id = recipe.id
    and statistics.tenant = (select ragpg_internal.counted_tenant())
cross join lateral (
    select
        coalesce(sum(state.chunk_count), 0) as chunks,
        count(state.document_version) as documents,
        count(state.pending_since) as pending_documents,
        count(state.error) as failed_documents
    from ragpg.index_documents as state
    where state.index_id = recipe.id
) as held
cross join lateral (
    select
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id)) as relation,
        to_regclass(format('ragpg.%I', 'chunks_' || recipe.id || '_embedding_hnsw')) as vector_index
) as partition
-- Measured only by who asks for it.
cross join lateral (
    select ragpg_internal.partition_sizes(partition.relation, partition.vector_index) as measured
) as sizes
left join lateral (
    select known.recall, known.measured_at
    from ragpg.recall_measurements as known
    where known.index_id = recipe.id
    order by known.measured_at desc
    limit 1
) as measured on true;
comment on view ragpg.index_health is
'A row per search index: its size, and whether its counts for ranking are those of now.';
comment on column ragpg.index_health.collection is 'Name of the collection.';
comment on column ragpg.index_health.index_id is 'The search index.';
comment on column ragpg.index_health.active is 'Whether it answers searches.';
comment on column ragpg.index_health.state is 'building (first load, vector index not there yet) or ready.';
comment on column ragpg.index_health.embedding_model is 'The model of its embeddings.';
comment on column ragpg.index_health.chunk_tokens is 'Most tokens of a chunk.';
comment on column ragpg.index_health.chunks is 'Chunks now.';
comment on column ragpg.index_health.documents is 'Documents it holds.';
comment on column ragpg.index_health.counted_chunks is 'Chunks when words were last counted.';
comment on column ragpg.index_health.refreshed_at is 'When words were last counted.';
comment on column ragpg.index_health.table_bytes is 'Bytes of its chunks.';
comment on column ragpg.index_health.index_bytes is 'Bytes of its indexes.';
comment on column ragpg.index_health.indexes_valid is 'Whether all its indexes can be used.';
comment on column ragpg.index_health.pending_documents is
'Documents whose newest version it does not hold yet.';
comment on column ragpg.index_health.failed_documents is
'Those of them whose last attempt failed: ragpg.ingest_queue has the errors.';
comment on column ragpg.index_health.overlap_tokens is 'Tokens a chunk shares with the one before it.';
comment on column ragpg.index_health.language is 'Text-search configuration of the word leg.';
comment on column ragpg.index_health.created_at is 'When the recipe was made.';
comment on column ragpg.index_health.activated_at is 'When it last began to answer searches.';
comment on column ragpg.index_health.ef_search is 'Least hnsw.ef_search of its scans: ragpg.tune_ef_search.';
comment on column ragpg.index_health.vector_index_bytes is 'Bytes of the vector index; null: there is none yet.';
comment on column ragpg.index_health.share_of_buffers is
'Those bytes by shared_buffers: near 1 or above, scans may wait for the disk.';
comment on column ragpg.index_health.dead_chunks is 'Dead rows that the next vacuum takes away, estimated.';
comment on column ragpg.index_health.recall is 'Recall when it was last measured: ragpg.measure_recall.';
comment on column ragpg.index_health.recall_measured_at is 'When that was.';
comment on column ragpg.index_health.context_model is
'The language model that writes a sentence of context per chunk; null: none does.';
comment on column ragpg.index_health.quantize is
'What the vector index holds of the embeddings: none (of it left out), bit (a bit of each number), or subvector:N, the first N.';
