"""SQL that `explaining` sends."""

from __future__ import annotations

from typing import LiteralString

EXPLAIN_SEARCH: LiteralString = """
select *
from ragpg.explain_search(
    query => %(query)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embedding => %(query_embedding)s::halfvec,
    mode => %(mode)s
)
order by place
"""

HIGHLIGHT: LiteralString = """
select ragpg.highlight(
    given.content, %(query)s, coalesce(chunk.language, 'english'), %(start_mark)s, %(end_mark)s
)
from unnest(%(contents)s::text[], %(chunk_ids)s::bigint[]) with ordinality
    as given (content, chunk_id, place)
left join ragpg_internal.known_chunks(%(chunk_ids)s) as chunk on chunk.chunk_id = given.chunk_id
order by given.place
"""
