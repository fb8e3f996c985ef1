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
select index_id, document_id, version, title, media_type, content
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

REFRESH_SEARCH_INDEX: LiteralString = "select ragpg.refresh_search_index(%(index_id)s)"

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
