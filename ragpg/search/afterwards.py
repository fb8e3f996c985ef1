"""Hits after the search: ordered anew by a cross-encoder, widened by their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from ragpg.database import Database
from ragpg.models import Reranker
from ragpg.search import queries
from ragpg.search.hits import Hit

_reranker = cache(Reranker)  # it stays loaded


def reranked(name: str, query: str, hits: Sequence[Hit], k: int) -> list[Hit]:
    """Returns the k hits the model finds best, its score for each as their score."""
    scores = _reranker(name).scores(
        query, [f"{hit.context}\n{hit.content}".lstrip("\n") for hit in hits]
    )
    best = sorted(range(len(hits)), key=lambda number: (-scores[number], number))[:k]
    return [
        replace(hits[number], place=place, score=scores[number])
        for place, number in enumerate(best, 1)
    ]


def widened(database: Database, hits: Sequence[Hit], neighbours: int) -> list[Hit]:
    """Returns the hits with the text of so many chunks before and after each."""
    rows = database.rows(
        queries.SURROUNDINGS, chunk_ids=[hit.chunk_id for hit in hits], neighbours=neighbours
    )
    spans = {row.pop("chunk_id"): row for row in rows}
    return [replace(hit, **spans.get(hit.chunk_id, {})) for hit in hits]
