"""A second look at the first hits: a cross-encoder reads the question and each chunk together.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019. Slower than search by orders of magnitude on
a CPU, so it is off unless asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ragpg.errors import EmbeddingError
from ragpg.models.local import compute_after_fork


class Reranker:
    """A cross-encoder of sentence-transformers, by name on the model hub or folder."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import CrossEncoder

        compute_after_fork()
        try:
            return CrossEncoder(self.name)
        except (OSError, ValueError) as error:
            raise EmbeddingError(f'the reranker "{self.name}" cannot be loaded: {error}') from error

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """Returns how well each text answers the query: the higher the better."""
        pairs = [(query, text) for text in texts]
        return [float(one) for one in self._model.predict(pairs, show_progress_bar=False)]
