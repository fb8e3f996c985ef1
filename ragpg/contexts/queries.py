"""Every statement about sentences of context that this package sends, by name."""

from __future__ import annotations

from typing import LiteralString

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
