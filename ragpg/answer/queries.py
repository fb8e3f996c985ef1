"""Every statement the answer package sends, by name."""

from __future__ import annotations

from typing import LiteralString

JUDGE_HITS: LiteralString = """
select is_enough, relevance, similarity, words_held, missing_names, unmatched_negation
from ragpg.judge_hits(
    query => %(query)s, chunk_ids => %(chunk_ids)s::bigint[],
    similarities => %(similarities)s::double precision[]
)
"""

SAVE_ANSWER: LiteralString = """
select ragpg.save_answer(
    collection => %(collection)s, question => %(question)s, content => %(content)s,
    model => %(model)s, abstained => %(abstained)s, grounded => %(grounded)s,
    stop_reason => %(stop_reason)s, input_tokens => %(input_tokens)s,
    output_tokens => %(output_tokens)s, cache_read_tokens => %(cache_read_tokens)s,
    cache_creation_tokens => %(cache_creation_tokens)s, latency_ms => %(latency_ms)s,
    citations => %(citations)s
)
"""

CITATION_PAGES: LiteralString = """
select page from ragpg.citations where answer_id = %s order by ordinal
"""

FEEDBACK: LiteralString = """
select ragpg.feedback(
    answer_id => %(answer_id)s, rating => %(rating)s, corrected_text => %(corrected_text)s,
    comment => %(comment)s
)
"""
