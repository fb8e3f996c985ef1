"""SQL that the adapters send."""

from __future__ import annotations

from typing import LiteralString

EMBEDDINGS: LiteralString = """
select document.source, chunk.embedding
from ragpg.collections as collection
join ragpg.documents as document on document.collection_id = collection.id
join ragpg.chunks as chunk
    on chunk.index_id = collection.active_index_id
    and chunk.document_id = document.id
where collection.name = %(collection)s
    and document.id = any(%(document_ids)s)
"""
