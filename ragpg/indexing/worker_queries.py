"""SQL that `worker` sends."""

from __future__ import annotations

from typing import LiteralString

COLLECTIONS_WITHOUT_INDEX: LiteralString = """
select distinct collection
from ragpg.ingest_queue
where index_id is null and (%(collection)s::text is null or collection = %(collection)s)
"""

CLAIM_DOCUMENTS: LiteralString = """
select index_id, document_id, tenant, version, title, media_type, content
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
