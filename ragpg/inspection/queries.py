"""Every statement the inspection package sends, by name."""

from __future__ import annotations

from typing import LiteralString

CORPUS_OVERVIEW: LiteralString = """
select
    documents, characters, median_characters, table_share, code_share, languages, chunks,
    tokens_p05, tokens_p50, tokens_p95, window_tokens, duplicate_chunks, near_duplicate_share
from ragpg.corpus_overview
where collection = %(collection)s
"""

CORPUS_PROBLEMS: LiteralString = """
select problem, source, detail, what_to_do
from ragpg.corpus_problems
where collection = %(collection)s
order by problem, source, detail
"""

HEALTH_PROBLEMS: LiteralString = """
select collection, problem, detail, what_to_do from ragpg.health_problems
order by collection, problem, detail
"""

INGEST_LAG: LiteralString = """
select
    collection, waiting_documents, failing_documents, oldest_waiting_since, lag_seconds,
    indexed_last_hour, last_indexed_at
from ragpg.ingest_lag
order by collection
"""

COLLECTION_METRICS: LiteralString = """
select
    lag.collection, lag.waiting_documents, lag.failing_documents, lag.lag_seconds,
    held.documents, held.chunks,
    (
        select count(*) from ragpg.stale_citations as stale
        where stale.collection = lag.collection
    ) as stale_citations,
    (
        select count(*) from ragpg.health_problems as wrong
        where coalesce(wrong.collection, lag.collection) = lag.collection
    ) as problems
from ragpg.ingest_lag as lag
join ragpg.collection_status as held on held.collection = lag.collection
order by lag.collection
"""

SEARCHES_TODAY: LiteralString = """
select collection, mode, searches, latency_p95_ms, zero_hit_share
from ragpg.searches_by_day
where day = current_date
order by collection, mode
"""

INDEX_HEALTH: LiteralString = """
select
    index_id, collection, active, state, embedding_model, chunk_tokens, overlap_tokens, language,
    documents, chunks, pending_documents, failed_documents, table_bytes, index_bytes,
    indexes_valid, created_at, activated_at, refreshed_at, ef_search, dead_chunks, recall,
    recall_measured_at, context_model, quantize
from ragpg.index_health
order by collection, index_id
"""

EXPECT_LANGUAGE: LiteralString = "select set_config('ragpg.language', %(language)s, true)"

MAKE_COLLECTION: LiteralString = "select ragpg_internal.ensure_collection(%(collection)s)"

PUT_INSPECTED: LiteralString = """
select ragpg.put_document(
    collection => %(collection)s, source => %(source)s, content => %(content)s,
    media_type => %(media_type)s
)
"""
