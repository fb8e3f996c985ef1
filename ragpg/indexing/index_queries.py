"""SQL that `indexes` sends."""

from __future__ import annotations

from typing import LiteralString

CREATE_SEARCH_INDEX: LiteralString = """
select ragpg.create_search_index(
    collection => %(collection)s, embedding_model_id => %(embedding_model_id)s,
    chunk_tokens => %(chunk_tokens)s, overlap_tokens => %(overlap_tokens)s,
    language => %(language)s, context_model => %(context_model)s,
    context_tokens => %(context_tokens)s
)
"""

INDEX_STATUS: LiteralString = """
select *
from ragpg.index_health
where collection = %(collection)s
order by index_id
"""

QUANTIZE_SEARCH_INDEX: LiteralString = """
select ragpg.quantize_search_index(%(index_id)s, %(quantize)s)
"""

PENDING_DOCUMENTS: LiteralString = """
select pending_documents from ragpg.index_health where index_id = %(index_id)s
"""

ACTIVATE_SEARCH_INDEX: LiteralString = """
select ragpg.activate_search_index(%(index_id)s, incomplete => %(incomplete)s)
"""

ROLLBACK_SEARCH_INDEX: LiteralString = "select ragpg.rollback_search_index(%(collection)s)"

DROP_SEARCH_INDEX: LiteralString = "select ragpg.drop_search_index(%(index_id)s)"

MEASURE_RECALL: LiteralString = """
select found.*
from ragpg.measure_recall(
    collection => %(collection)s, k => %(k)s, queries => %(queries)s, index_id => %(index_id)s
) as found
"""

TUNE_EF_SEARCH: LiteralString = """
select found.*
from ragpg.tune_ef_search(
    collection => %(collection)s, recall => %(recall)s, k => %(k)s, queries => %(queries)s,
    index_id => %(index_id)s
) as found
"""
