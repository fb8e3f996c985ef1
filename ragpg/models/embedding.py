"""What ragpg asks of an embedding model: embeddings of texts, and the tokens it counts in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import regex
from numpy.typing import NDArray

from ragpg.arguments import told
from ragpg.errors import EmbeddingError

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


def unit_vectors(name: str, rows: Any, count: int) -> Vectors:
    """Returns what a model made of `count` texts as float32 of length 1.

    Raises EmbeddingError, with the model's name, for what are no such rows of numbers.
    """
    try:
        vectors = np.asarray(rows, np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingError(f'the model "{name}" gave no rows of numbers: {error}') from error
    if count == 0:
        return vectors.reshape(0, 0) if vectors.ndim != 2 else vectors
    if vectors.ndim != 2 or len(vectors) != count or not vectors.size:
        raise EmbeddingError(
            f'the model "{name}" gave an array of shape {vectors.shape} for {count} texts: '
            "it takes a row of numbers for each"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise EmbeddingError(f'the model "{name}" gave an embedding without direction')
    return np.asarray(vectors / lengths, np.float32)


@told
def embed_documents(
    embedder: Embedder, texts: Sequence[str], progress: Progress | None = None
) -> Vectors:
    """Returns the texts' embeddings, an array of shape (texts, dimensions)."""
    return embedder.embed_documents(texts, progress)


@told
def embed_query(embedder: Embedder, text: str) -> Vectors:
    """Returns the query's embedding, an array of shape (dimensions,)."""
    return embedder.embed_query(text)


# What no tokenizer knows -------------------------------------------------------------------------

_LONGEST = 20  # characters of a token: the longest word of BERT's vocabulary has 18
_COUNTED = 8  # characters of a longer one that count as a token


# What may go on with the grapheme of the character before it.
_GOES_ON = regex.compile(
    r"[\p{M}\p{Cf}\p{Regional_Indicator}\p{Emoji_Modifier}\p{Hangul_Syllable_Type=V}"
    r"\p{Hangul_Syllable_Type=T}]|(?<=[\p{Cf}\p{Hangul_Syllable_Type=L}]).",
    regex.DOTALL,
)


def even_token_starts(embedder: Embedder, text: str) -> Sequence[int]:
    """Returns `token_starts`, none within a grapheme, and more within what is long: one for each 8
    characters or so.

    A word that a tokenizer does not know is one token however long it is: a page of Thai, a key of
    60,000 digits. Graphemes are those of Unicode's Annex 29.
    """
    starts = embedder.token_starts(text)
    if not text.isascii() and any(_GOES_ON.match(text, at) for at in starts):
        graphemes = [one.start() for one in regex.finditer(r"\X", text)]
        starts = [graphemes[bisect_right(graphemes, at) - 1] for at in starts]
        # A letter under ninety accents is no ninety tokens' worth of text.
        starts = [at for n, at in enumerate(starts) if n < _COUNTED or starts[n - _COUNTED] != at]
    edges = [*([] if starts and starts[0] <= _LONGEST else [0]), *starts, len(text)]
    more: list[int] = []
    for start, end in pairwise(edges):
        # Blanks behind a word are its own; a page of them is long, too.
        if end - start > _LONGEST and (
            len(text[start:end].rstrip()) > _LONGEST or end - start > 10 * _LONGEST
        ):
            last = start
            for grapheme in regex.finditer(r"\X", text, pos=start, endpos=end):
                if grapheme.start() - last >= _COUNTED:
                    last = grapheme.start()
                    more.append(last)
    return sorted([*starts, *more]) if more else starts
