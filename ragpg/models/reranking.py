"""A second look at the first hits: a cross-encoder reads the question and each chunk together.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019. Slower than search by orders of magnitude on
a CPU, so it is off unless asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from ragpg.errors import EmbeddingError
from ragpg.search.searching import Hit

CANDIDATES = 50  # hits reranked, at least; three for each hit wanted where that is more


class Reranker:
    """A cross-encoder of sentence-transformers, by name on the model hub or folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import CrossEncoder

        try:
            return CrossEncoder(self.name)
        except (OSError, ValueError) as error:
            raise EmbeddingError(f'the reranker "{self.name}" cannot be loaded: {error}') from error

    def rerank(self, query: str, hits: Sequence[Hit], k: int) -> list[Hit]:
        """Returns the k hits the model finds best, its score for each as their score."""
        if not hits:
            return []
        pairs = [(query, f"{hit.context}\n{hit.content}".lstrip("\n")) for hit in hits]
        scores = self._model.predict(pairs, show_progress_bar=False)
        best = sorted(range(len(hits)), key=lambda number: (-scores[number], number))[:k]
        return [
            replace(hits[number], place=place, score=float(scores[number]))
            for place, number in enumerate(best, 1)
        ]
