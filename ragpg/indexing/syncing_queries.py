"""SQL that keeping in step, and ready embeddings, send."""

from __future__ import annotations

from typing import LiteralString

DELETE_VANISHED: LiteralString = """
select vanished
from ragpg.delete_vanished(
    collection => %(collection)s, paths => %(paths)s::text[], kept => %(kept)s::text[],
    unread => %(unread)s::text[], max_share => %(max_share)s,
    few => %(few)s, dry_run => %(dry_run)s
)
"""

PUT_EMBEDDED_DOCUMENTS: LiteralString = """
select source, outcome
from ragpg_internal.put_embedded_documents(
    index_id => %(index_id)s, sources => %(sources)s::text[], contents => %(contents)s::text[],
    titles => %(titles)s::text[], media_types => %(media_types)s::text[],
    metadata => %(metadata)s::jsonb[], source_hashes => %(source_hashes)s::bytea[],
    embeddings => %(embeddings)b::halfvec[]
)
"""
