"""A plain function of texts as an embedding model; and vectors that come from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ragpg.errors import EmbeddingError
from ragpg.models.embedding import PROBE_TEXT, Progress, Vectors, unit_vectors
from ragpg.models.hosted import estimated_token_starts

EmbedFunction = Callable[[list[str]], Any]
"""Takes texts; returns a row of numbers for each: an array, or lists."""

_AT_ONCE = 64  # texts a call: within what the APIs behind such functions take
_WINDOW = 512  # tokens, of most models that do not say
GIVEN = "given"


class FunctionEmbedder:
    """A function `texts -> one row of numbers each`, alone or an object's method.

    What it can tell is asked of it, or of the object: its name (`name`, `model`, `model_name`), its
    window (`max_tokens`, `max_seq_length`, `embedding_ctx_length`), `token_starts(text)`, and
    `embed_query(text)` where questions are embedded differently. Where it cannot tell tokens they
    are estimated and half the window is used; where not the window, it is taken for 512 tokens.
    """

    provider = "function"

    def __init__(self, function: EmbedFunction) -> None:
        owner = getattr(function, "__self__", None)
        self._function = function
        self._tellers = [function] if owner is None else [function, owner]
        # A function's own name would change with every renaming; the probe text tells them apart.
        unnamed = "function" if owner is None else type(owner).__name__
        self.name: str = self._told(str, "name", "model", "model_name") or unnamed
        self._starts = self._told(Callable, "token_starts")
        window = self._told(int, "max_tokens", "max_seq_length", "embedding_ctx_length") or _WINDOW
        self.max_tokens: int = window if self._starts else max(window // 2, 1)

    def _told(self, kind: Any, *names: str) -> Any:
        """Returns the first of these attributes that is of the kind, else None."""
        found = (getattr(one, name, None) for one in self._tellers for name in names)
        return next((one for one in found if isinstance(one, kind)), None)

    def token_starts(self, text: str) -> Sequence[int]:
        starts: Sequence[int] = (self._starts or estimated_token_starts)(text)
        return starts

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        done: list[Vectors] = []
        for first in range(0, len(texts), _AT_ONCE):
            batch = list(texts[first : first + _AT_ONCE])
            done.append(self._vectors(self._function, batch, len(batch)))
            if progress:
                progress(len(batch))
        return unit_vectors(self.name, [row for rows in done for row in rows], len(texts))

    def embed_query(self, text: str) -> Vectors:
        for_queries = self._told(Callable, "embed_query")
        if for_queries is None:
            query: Vectors = self._vectors(self._function, [text], 1)[0]
        else:
            query = self._vectors(lambda texts: [for_queries(texts[0])], [text], 1)[0]
        return query

    def _vectors(self, function: EmbedFunction, texts: list[str], count: int) -> Vectors:
        try:
            rows = function(texts)
        except Exception as error:
            raise EmbeddingError(f'the model "{self.name}" failed: {error!r}') from error
        return unit_vectors(self.name, rows, count)


class GivenEmbedder:
    """No model: records bring their embeddings, of so many dimensions, and questions may."""

    provider = GIVEN
    max_tokens = _WINDOW // 2

    def __init__(self, model: str, dimensions: int) -> None:
        self.name = f"{GIVEN}/{model}@{dimensions}"
        self._dimensions = dimensions

    def token_starts(self, text: str) -> Sequence[int]:
        return estimated_token_starts(text)

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        if list(texts) != [PROBE_TEXT]:  # by which models are told apart: the name has to do
            raise EmbeddingError(
                f'the embeddings of "{self.name}" come from elsewhere: give each record its '
                "embedding, or connect(embedder=...) with what makes them"
            )
        return unit_vectors(self.name, np.ones((1, self._dimensions)), 1)

    def embed_query(self, text: str) -> Any:
        """Returns None: there is nothing but the question's words."""
        return None
