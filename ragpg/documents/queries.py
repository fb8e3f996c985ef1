"""SQL that is sent for documents and their versions."""

from __future__ import annotations

from typing import LiteralString

DOCUMENTS: LiteralString = """
select
    known.source, known.title, known.media_type, known.metadata, known.version, known.characters,
    known.chunks, known.indexed, known.created_at, known.updated_at, known.indexed_at,
    known.document_id, case when %(texts)s then ragpg.document_text(known.document_id) end as text
from ragpg.find_documents(
    collection => %(collection)s, filter => %(filter)s::jsonpath, sources => %(sources)s::text[],
    page_size => %(page_size)s::integer, after => %(after)s
) as found
join ragpg.document_status as known on known.document_id = found.document_id
order by found.source, found.document_id
"""

DELETE_DOCUMENTS: LiteralString = """
select source
from ragpg.delete_documents(
    collection => %(collection)s, filter => %(filter)s::jsonpath, sources => %(sources)s::text[],
    dry_run => %(dry_run)s
) as source
"""

UPDATE_METADATA: LiteralString = """
select source
from ragpg.update_metadata(
    %(changes)s, collection => %(collection)s, filter => %(filter)s::jsonpath,
    sources => %(sources)s::text[], dry_run => %(dry_run)s
) as source
"""

CHUNK_EMBEDDINGS: LiteralString = """
select chunk.embedding
from unnest(%(chunk_ids)s::bigint[]) with ordinality as wanted (chunk_id, place)
left join ragpg_internal.known_chunks(%(chunk_ids)s) as chunk on chunk.chunk_id = wanted.chunk_id
order by wanted.place
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
