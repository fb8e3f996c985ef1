"""Every statement Python sends, by name. What ranks, filters or changes two rows is a function."""

from __future__ import annotations

from typing import LiteralString

SERVER: LiteralString = """
select
    current_setting('server_version') as postgres,
    (select extversion from pg_extension where extname = 'vector') as pgvector,
    current_database() as database
"""

COLLECTIONS: LiteralString = """
select
    collection, description, documents, pending_documents, chunks, characters, last_changed_at,
    last_indexed_at, embedding_model, active_index_id, chunk_tokens, language
from ragpg.collection_status
order by collection
"""

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
select ragpg.ensure_embedding_model(
    provider => %(provider)s, name => %(name)s, max_tokens => %(max_tokens)s, probe => %(probe)s
)
"""

ENSURE_SEARCH_INDEX: LiteralString = """
select ragpg.ensure_search_index(
    collection => %(collection)s, embedding_model_id => %(embedding_model_id)s,
    chunk_tokens => %(chunk_tokens)s, overlap_tokens => %(overlap_tokens)s,
    language => %(language)s
)
"""

ACTIVE_INDEX: LiteralString = """
select
    recipe.id, recipe.chunk_tokens, recipe.overlap_tokens, recipe.min_similarity,
    model.provider, model.name, model.dimensions, model.probe,
    coalesce(encoder.verified, false) as in_database
from ragpg.collections as one
join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.encoders as encoder on encoder.embedding_model_id = model.id
where one.id = ragpg.collection_id(%(collection)s)
"""

KNOWN_EMBEDDINGS: LiteralString = """
select distinct on (content_hash) content_hash, embedding
from ragpg.chunks
where index_id = %(index_id)s and content_hash = any(%(hashes)s)
"""

PUT_DOCUMENT: LiteralString = """
select
    stored.document_id, stored.version, stored.outcome,
    stored.version is not distinct from state.document_version as indexed
from ragpg.put_document(
    collection => %(collection)s, source => %(source)s, content => %(content)s,
    title => %(title)s, media_type => %(media_type)s, metadata => %(metadata)s,
    source_hash => %(source_hash)s
) as stored
left join ragpg.index_documents as state
    on state.document_id = stored.document_id and state.index_id = %(index_id)s
"""

REPLACE_CHUNKS: LiteralString = """
select ragpg.replace_chunks(
    index_id => %(index_id)s, document_id => %(document_id)s,
    document_version => %(document_version)s, starts => %(starts)s::integer[],
    ends => %(ends)s::integer[], contexts => %(contexts)s::text[],
    token_counts => %(token_counts)s::integer[], embeddings => %(embeddings)s::halfvec[]
)
"""

REFRESH_SEARCH_INDEX: LiteralString = """
select ragpg.refresh_search_index(%(index_id)s)
"""

DELETE_DOCUMENT: LiteralString = """
select ragpg.delete_document(collection => %(collection)s, source => %(source)s)
"""

DROP_COLLECTION: LiteralString = """
select ragpg.drop_collection(%(collection)s)
"""

SEARCH: LiteralString = """
select
    place, chunk_id, document_id, document_version, source, title, content, context, score,
    similarity, bm25, start_char, end_char, page, metadata
from ragpg.search(
    query => %(query)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embedding => %(query_embedding)s::halfvec,
    mode => %(mode)s
)
order by place
"""

HIGHLIGHT: LiteralString = """
select ragpg.highlight(content, %(query)s, 'english', %(start_mark)s, %(end_mark)s)
from unnest(%(contents)s::text[]) with ordinality as given (content, place)
order by place
"""

SAVE_ANSWER: LiteralString = """
select ragpg.save_answer(
    collection => %(collection)s, question => %(question)s, content => %(content)s,
    model => %(model)s, abstained => %(abstained)s, grounded => %(grounded)s,
    stop_reason => %(stop_reason)s, input_tokens => %(input_tokens)s,
    output_tokens => %(output_tokens)s, cache_read_tokens => %(cache_read_tokens)s,
    cache_creation_tokens => %(cache_creation_tokens)s, latency_ms => %(latency_ms)s,
    citations => %(citations)s
)
"""

# The query encoder: ragpg.encoder stores a model's weights

DELETE_ENCODER: LiteralString = "delete from ragpg.encoders where embedding_model_id = %s"

INSERT_ENCODER: LiteralString = """
insert into ragpg.encoders (
    embedding_model_id, layers, heads, width, pooling, lower_case, strip_accents,
    unknown_token_id, first_token_id, last_token_id, special_tokens, longest_token,
    query_prefix, max_query_tokens, layer_norm_epsilon
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
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

ENCODE_QUERY: LiteralString = "select ragpg.encode(%s, ragpg.query_tokens(%s, %s))::real[]"

STORE_ENCODER_COSINE: LiteralString = """
update ragpg.encoders set verified_cosine = %s where embedding_model_id = %s returning verified
"""

ANALYZE_ENCODERS: LiteralString = "analyze ragpg.encoder_weights"

ENCODERS: LiteralString = """
select
    embedding_model, provider, dimensions, layers, pooling, max_query_tokens, verified,
    verified_cosine, loaded_at, embedding_model_id
from ragpg.encoder_status
order by embedding_model
"""

# The static encoder: ragpg.static_encoder fits one to a search index

INDEX_TO_FIT: LiteralString = """
select
    recipe.id, recipe.embedding_model_id, recipe.language,
    coalesce(encoder.verified, false) as in_database,
    coalesce(fitted.enabled, false) as enabled,
    clock_timestamp() as read_at
from ragpg.collections as one
join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
left join ragpg.encoders as encoder on encoder.embedding_model_id = recipe.embedding_model_id
left join ragpg.static_encoders as fitted on fitted.index_id = recipe.id
where one.id = ragpg.collection_id(%(collection)s)
"""

CHUNK_TEXTS: LiteralString = """
select content from ragpg.chunks where index_id = %s order by content_hash, id
"""

VOCABULARY: LiteralString = """
select token, token_id from ragpg.encoder_vocabulary where embedding_model_id = %s order by token_id
"""

TOKENS: LiteralString = """
select ragpg.query_tokens(%s, given.content)
from unnest(%s::text[]) with ordinality as given (content, place)
order by given.place
"""

DELETE_STATIC_ENCODER: LiteralString = """
delete from ragpg.static_encoders where index_id = %s returning index_id
"""

INSERT_STATIC_ENCODER: LiteralString = """
insert into ragpg.static_encoders (index_id, bias, span_count, chunk_count, fitted_at)
values (%s, %s, %s, %s, %s)
"""

COPY_STATIC_TOKEN_EMBEDDINGS: LiteralString = """
copy ragpg.static_token_embeddings (index_id, token_id, embedding) from stdin with (format binary)
"""

MEASURE_STATIC_ENCODER: LiteralString = """
select ragpg.measure_static_encoder(%s, %s::text[], %s::vector[])
"""

USE_STATIC_ENCODER: LiteralString = "select ragpg.use_static_encoder(%s, %s)"

STATIC_AGREEMENT: LiteralString = """
select mean_cosine, mean_overlap, agrees from ragpg.static_encoders where index_id = %s
"""

STATIC_ENCODERS: LiteralString = """
select
    collection, index_id, active, enabled, agrees, mean_cosine, mean_overlap, held_out_count,
    span_count, fitted_at, fitted_chunks, chunks, changed_share, drifted
from ragpg.static_encoder_status
order by collection, index_id
"""
