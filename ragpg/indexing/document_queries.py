"""SQL that `documents` sends."""

from __future__ import annotations

from typing import LiteralString

DOCUMENTS: LiteralString = """
select
    source, title, media_type, metadata, version, characters, chunks, indexed, created_at,
    updated_at, indexed_at, document_id
from ragpg.document_status
where collection = %(collection)s and ragpg.collection_id(%(collection)s) is not null
order by source
"""

DELETE_DOCUMENT: LiteralString = """
select ragpg.delete_document(collection => %(collection)s, source => %(source)s)
"""

FIND_SOURCE: LiteralString = """
select ragpg.find_source(%(collection)s, variadic %(names)s::text[])
"""

WAIT_UNTIL_INDEXED: LiteralString = """
select ragpg.wait_until_indexed(
    collection => %(collection)s, source => %(source)s,
    timeout => make_interval(secs => %(seconds)s)
)
"""

HISTORY: LiteralString = """
select version, title, valid_from, valid_to, characters, citations, document_id
from ragpg.document_history
where collection = %(collection)s
    and source = %(source)s
    and ragpg.collection_id(%(collection)s) is not null
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

DELETE_VANISHED: LiteralString = """
select vanished
from ragpg.delete_vanished(
    collection => %(collection)s, paths => %(paths)s::text[], kept => %(kept)s::text[],
    unread => %(unread)s::text[], max_share => %(max_share)s,
    few => %(few)s, dry_run => %(dry_run)s
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
