"""What adding, and keeping in step, sends; what else sends SQL has a module of its own."""

from __future__ import annotations

from typing import LiteralString

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

IS_WAITING: LiteralString = """
select exists (
    select
    from ragpg.ingest_queue
    where collection = %(collection)s and (next_attempt_at <= now() or index_id is null)
)
"""

KNOWN_EMBEDDINGS: LiteralString = """
select content_hash, embedding
from ragpg_internal.known_embeddings(
    index_ids => %(index_ids)s, hashes => %(hashes)s, tenant => %(tenant)s
)
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

REFRESH_SEARCH_INDEX: LiteralString = "select ragpg.refresh_search_index(%(index_id)s)"
