"""What only the client sends, and not every one of them."""

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

DROP_COLLECTION: LiteralString = "select ragpg.drop_collection(%(collection)s)"
