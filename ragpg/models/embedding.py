"""What ragpg asks of an embedding model: embeddings of texts, and the tokens it counts in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]

PROBE_TEXT = "ragpg keeps documents, chunks and embeddings in Postgres."


class Embedder(Protocol):
    """What ragpg asks of an embedding model. Vectors are of length 1, float32."""

    @property
    def provider(self) -> str:
        """Who computes, such as `sentence-transformers`."""

    @property
    def name(self) -> str:
        """The model's published name."""

    @property
    def max_tokens(self) -> int:
        """The longest text it reads whole, in its own tokens, special ones not counted."""

    def token_starts(self, text: str) -> Sequence[int]:
        """Returns the character at which each token of the text begins."""

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Returns an array of shape (texts, dimensions); `progress` hears of each batch's size."""

    def embed_query(self, text: str) -> Vectors:
        """Returns an array of shape (dimensions,)."""
