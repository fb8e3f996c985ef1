"""SQL that the adapters send."""

from __future__ import annotations

from typing import LiteralString

EMBEDDINGS: LiteralString = """
select document.source, chunk.embedding
from ragpg.collections as collection
join ragpg.documents as document on document.collection_id = collection.id
join lateral ragpg_internal.document_chunks(collection.active_index_id, %(document_ids)s) as chunk
    on chunk.document_id = document.id
where collection.name = %(collection)s
    and document.id = any(%(document_ids)s)
"""
