"""Every statement the indexing package sends, by name."""

from __future__ import annotations

from typing import LiteralString

DOCUMENTS: LiteralString = """
select
    source, title, media_type, metadata, version, characters, chunks, indexed, created_at,
    updated_at, indexed_at, document_id
from ragpg.document_status
where collection = %(collection)s
order by source
"""

INDEXED_HASHES: LiteralString = """
select source, source_hash
from ragpg.document_status
where collection = %(collection)s and indexed and source_hash is not null
"""

UNREFRESHED: LiteralString = """
select health.index_id
from ragpg.index_health as health
where health.collection = %(collection)s and health.active
    and (health.state = 'building' or health.refreshed_at is null
        or health.chunks is distinct from health.counted_chunks)
"""

ENSURE_EMBEDDING_MODEL: LiteralString = """
select ragpg_internal.ensure_embedding_model(
    provider => %(provider)s, name => %(name)s, max_tokens => %(max_tokens)s, probe => %(probe)s
)
"""

ENSURE_SEARCH_INDEX: LiteralString = """
select ragpg_internal.ensure_search_index(
    collection => %(collection)s, embedding_model_id => %(embedding_model_id)s,
    chunk_tokens => %(chunk_tokens)s, overlap_tokens => %(overlap_tokens)s,
    language => %(language)s
)
"""

CREATE_SEARCH_INDEX: LiteralString = """
select ragpg.create_search_index(
    collection => %(collection)s, embedding_model_id => %(embedding_model_id)s,
    chunk_tokens => %(chunk_tokens)s, overlap_tokens => %(overlap_tokens)s,
    language => %(language)s, context_model => %(context_model)s,
    context_tokens => %(context_tokens)s
)
"""

COLLECTIONS_WITHOUT_INDEX: LiteralString = """
select distinct collection
from ragpg.ingest_queue
where index_id is null and (%(collection)s::text is null or collection = %(collection)s)
"""

IS_WAITING: LiteralString = """
select exists (
    select
    from ragpg.ingest_queue
    where collection = %(collection)s and (next_attempt_at <= now() or index_id is null)
)
"""

CLAIM_DOCUMENTS: LiteralString = """
select index_id, document_id, version, source, title, media_type, content, page_starts
from ragpg_internal.claim_documents(
    only_collection => %(collection)s, only_index_id => %(index_id)s
)
"""

RELEASE_DOCUMENT: LiteralString = """
select ragpg_internal.release_document(
    index_id => %(index_id)s, document_id => %(document_id)s,
    document_version => %(document_version)s, error => %(error)s
)
"""

DELETE_VANISHED: LiteralString = """
select vanished
from ragpg.delete_vanished(
    collection => %(collection)s, paths => %(paths)s::text[], kept => %(kept)s::text[],
    unread => %(unread)s::text[], max_share => %(max_share)s,
    few => %(few)s, dry_run => %(dry_run)s
)
"""

KNOWN_EMBEDDINGS: LiteralString = """
select distinct on (content_hash) content_hash, embedding
from ragpg.chunks
where index_id = any(%(index_ids)s) and content_hash = any(%(hashes)s)
"""

PUT_DOCUMENT: LiteralString = """
select
    stored.document_id, stored.version, stored.outcome,
    stored.version is not distinct from state.document_version as indexed
from ragpg.put_document(
    collection => %(collection)s, source => %(source)s, content => %(content)s,
    title => %(title)s, media_type => %(media_type)s, metadata => %(metadata)s,
    source_hash => %(source_hash)s,
    page_starts => %(page_starts)s::integer[]
) as stored
left join ragpg.index_documents as state
    on state.document_id = stored.document_id and state.index_id = %(index_id)s
"""

REPLACE_CHUNKS: LiteralString = """
select ragpg_internal.replace_chunks(
    index_id => %(index_id)s, document_id => %(document_id)s,
    document_version => %(document_version)s, starts => %(starts)s::integer[],
    ends => %(ends)s::integer[], contexts => %(contexts)s::text[],
    token_counts => %(token_counts)s::integer[], embeddings => %(embeddings)b::halfvec[],
    generated_chars => %(generated_chars)s::integer[]
)
"""

PUT_EMBEDDED_DOCUMENTS: LiteralString = """
select outcome
from ragpg_internal.put_embedded_documents(
    index_id => %(index_id)s, sources => %(sources)s::text[], contents => %(contents)s::text[],
    titles => %(titles)s::text[], media_types => %(media_types)s::text[],
    metadata => %(metadata)s::jsonb[], source_hashes => %(source_hashes)s::bytea[],
    embeddings => %(embeddings)b::halfvec[]
)
"""

REFRESH_SEARCH_INDEX: LiteralString = """
select ragpg.refresh_search_index(%(index_id)s)
"""

DELETE_DOCUMENT: LiteralString = """
select ragpg.delete_document(collection => %(collection)s, source => %(source)s)
"""

WAIT_UNTIL_INDEXED: LiteralString = """
select ragpg.wait_until_indexed(
    collection => %(collection)s, source => %(source)s,
    timeout => make_interval(secs => %(seconds)s)
)
"""

INDEX_STATUS: LiteralString = """
select *
from ragpg.index_health
where collection = %(collection)s
order by index_id
"""

PENDING_DOCUMENTS: LiteralString = """
select pending_documents from ragpg.index_health where index_id = %(index_id)s
"""

ACTIVATE_SEARCH_INDEX: LiteralString = """
select ragpg.activate_search_index(%(index_id)s, incomplete => %(incomplete)s)
"""

ROLLBACK_SEARCH_INDEX: LiteralString = "select ragpg.rollback_search_index(%(collection)s)"

DROP_SEARCH_INDEX: LiteralString = "select ragpg.drop_search_index(%(index_id)s)"

HISTORY: LiteralString = """
select version, title, valid_from, valid_to, characters, citations, document_id
from ragpg.document_history
where collection = %(collection)s and source = %(source)s
order by document_id desc, version desc
"""

SOURCE_TEXT: LiteralString = """
select ragpg.document_text(found.document_id, %(version)s::integer)
from ragpg.document_history as found
where found.collection = %(collection)s
    and (found.source = %(source)s or found.source like '%%/' || %(source)s)
order by found.source <> %(source)s, found.document_id desc
limit 1
"""

ERASE_DOCUMENT: LiteralString = """
select documents, versions, answers
from ragpg.erase_document(collection => %(collection)s, source => %(source)s)
"""

PRUNE_VERSIONS: LiteralString = """
select ragpg.prune_versions(older_than => %(older_than)s, collection => %(collection)s)
"""

DELETE_ENCODER: LiteralString = "delete from ragpg.encoders where embedding_model_id = %(key)s"

INSERT_ENCODER: LiteralString = """
insert into ragpg.encoders (
    embedding_model_id, layers, heads, width, pooling, lower_case, strip_accents,
    unknown_token_id, first_token_id, last_token_id, special_tokens, longest_token,
    query_prefix, max_query_tokens, layer_norm_epsilon
)
values (
    %(key)s, %(layers)s, %(heads)s, %(width)s, %(pooling)s, %(lower_case)s, %(strip_accents)s,
    %(unknown_token_id)s, %(first_token_id)s, %(last_token_id)s, %(special_tokens)s,
    %(longest_token)s, %(query_prefix)s, %(max_query_tokens)s, %(layer_norm_epsilon)s
)
"""

COPY_ENCODER_VOCABULARY: LiteralString = """
copy ragpg.encoder_vocabulary (embedding_model_id, token, token_id) from stdin with (format binary)
"""

COPY_ENCODER_EMBEDDINGS: LiteralString = """
copy ragpg.encoder_embeddings (embedding_model_id, token_id, embedding)
from stdin with (format binary)
"""

COPY_ENCODER_POSITIONS: LiteralString = """
copy ragpg.encoder_positions (embedding_model_id, token_position, embedding)
from stdin with (format binary)
"""

COPY_ENCODER_LAYERS: LiteralString = """
copy ragpg.encoder_layers (
    embedding_model_id, layer, attention_gain, attention_shift, output_gain, output_shift
)
from stdin with (format binary)
"""

COPY_ENCODER_WEIGHTS: LiteralString = """
copy ragpg.encoder_weights (embedding_model_id, layer, matrix, place, weights)
from stdin with (format binary)
"""

ENCODE_QUERY: LiteralString = """
select ragpg_internal.encode(%(key)s, ragpg_internal.query_tokens(%(key)s, %(text)s))::real[]
"""

STORE_ENCODER_COSINE: LiteralString = """
update ragpg.encoders set verified_cosine = %(cosine)s where embedding_model_id = %(key)s
"""

ANALYZE_ENCODERS: LiteralString = "analyze ragpg.encoder_weights"

ENCODERS: LiteralString = """
select
    embedding_model, provider, dimensions, layers, pooling, max_query_tokens, verified,
    verified_cosine, loaded_at, embedding_model_id
from ragpg.encoder_status
order by embedding_model
"""

MEASURE_RECALL: LiteralString = """
select found.*
from ragpg.measure_recall(
    collection => %(collection)s, k => %(k)s, queries => %(queries)s, ef_search => %(ef_search)s
) as found
"""

TUNE_EF_SEARCH: LiteralString = """
select found.*
from ragpg.tune_ef_search(
    collection => %(collection)s, recall => %(recall)s, k => %(k)s, queries => %(queries)s
) as found
"""

MODEL_PRICES: LiteralString = """
select input_price, output_price, cache_read_price, cache_creation_price
from ragpg.model_prices
where model = %(model)s
"""

KNOWN_CONTEXTS: LiteralString = """
select asked_hash, sentence
from ragpg.chunk_contexts
where collection_id = ragpg.collection_id(%(collection)s)
    and asked_hash = any(%(asked_hashes)s::bytea[])
"""

PUT_CONTEXT: LiteralString = """
insert into ragpg.chunk_contexts (
    collection_id, asked_hash, document_hash, model, sentence, problem, input_tokens,
    output_tokens, cache_read_tokens, cache_creation_tokens
)
values (
    ragpg.collection_id(%(collection)s), %(asked_hash)s, %(document_hash)s, %(model)s,
    %(sentence)s, %(problem)s, %(input_tokens)s, %(output_tokens)s, %(cache_read_tokens)s,
    %(cache_creation_tokens)s
)
on conflict on constraint chunk_contexts_pkey do nothing
"""

FILL_CONTEXT: LiteralString = """
update ragpg.chunk_contexts
set sentence = %(sentence)s, problem = %(problem)s, input_tokens = %(input_tokens)s,
    output_tokens = %(output_tokens)s, cache_read_tokens = %(cache_read_tokens)s,
    cache_creation_tokens = %(cache_creation_tokens)s, created_at = clock_timestamp()
where batch_id = %(batch_id)s and asked_hash = %(asked_hash)s and sentence is null
"""

DOCUMENTS_TO_SITUATE: LiteralString = """
select document.id
from ragpg.documents as document
left join ragpg.index_documents as state
    on state.document_id = document.id and state.index_id = %(index_id)s
where document.collection_id = ragpg.collection_id(%(collection)s)
    and state.document_version is distinct from document.version
order by document.id
"""

TEXTS_OF_DOCUMENTS: LiteralString = """
select content, title, media_type
from ragpg.documents
where id = any(%(document_ids)s)
order by id
"""

START_CONTEXT_BATCH: LiteralString = """
select batch_id, asked_hash
from ragpg_internal.start_context_batch(
    collection => %(collection)s, model => %(model)s,
    asked_hashes => %(asked_hashes)s::bytea[], document_hashes => %(document_hashes)s::bytea[]
)
"""

FINISH_CONTEXT_BATCH: LiteralString = """
select ragpg_internal.finish_context_batch(batch_id => %(batch_id)s, error => %(error)s)
"""

NOTE_CONTEXT_BATCH: LiteralString = """
update ragpg.context_batches
set provider_batch_id = coalesce(%(provider_batch_id)s, provider_batch_id), state = %(state)s
where id = %(batch_id)s
"""

ASKED_IN_BATCH: LiteralString = """
select asked_hash from ragpg.chunk_contexts where batch_id = %(batch_id)s
"""

LOCK_CONTEXT_BATCHES: LiteralString = """
select pg_try_advisory_lock(
    hashtextextended('ragpg context batches of ' || %(collection)s::text, 0)
)
"""

UNLOCK_CONTEXT_BATCHES: LiteralString = """
select pg_advisory_unlock_all()
"""

CONTEXT_BATCHES: LiteralString = """
select
    batch.id, one.name as collection, batch.model, batch.request_count, batch.provider_batch_id,
    batch.state, batch.error, batch.created_at, batch.ended_at
from ragpg.context_batches as batch
join ragpg.collections as one on one.id = batch.collection_id
where %(collection)s::text is null or one.name = %(collection)s
order by batch.id
"""

CONTEXT_COSTS: LiteralString = """
select
    collection, model, in_batch, asked, sentences, open, refused, empty, cut, too_long,
    input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, cost
from ragpg.context_costs
where collection = %(collection)s
order by model, in_batch
"""
