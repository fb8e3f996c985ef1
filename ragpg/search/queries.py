"""Every statement the search package sends, by name; searches return rows of `ragpg.hit`."""

from __future__ import annotations

from typing import LiteralString

SEARCH: LiteralString = """
select *
from ragpg.search(
    query => %(query)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embedding => %(query_embedding)s::halfvec,
    mode => %(mode)s, index_id => %(index_id)s
)
order by place
"""

SEARCH_DISTINCT: LiteralString = """
select *
from ragpg.search_distinct(
    query => %(query)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embedding => %(query_embedding)s::halfvec,
    mode => %(mode)s, index_id => %(index_id)s
)
order by place
"""

SEARCH_ANY: LiteralString = """
select *
from ragpg.search_any(
    queries => %(queries)s, k => %(k)s, collection => %(collection)s,
    filter => %(filter)s::jsonpath, query_embeddings => %(query_embeddings)s::halfvec[],
    mode => %(mode)s, index_id => %(index_id)s
)
order by place
"""

SURROUNDINGS: LiteralString = """
select wanted.chunk_id, around.start_char, around.end_char, around.content
from unnest(%(chunk_ids)s::bigint[]) as wanted (chunk_id)
cross join lateral ragpg.surroundings(wanted.chunk_id, %(neighbours)s) as around
"""
