"""A static encoder per search index: a vector per token, whose sum stands in for the model.

s(q) = normalize(bias + sum of W[token]), fitted by ridge regression to what the model makes of
spans of the index's own chunks. It is as good as its measured agreement with the model, no better.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector, Vector
from psycopg.rows import class_row

from ragpg import queries
from ragpg.database import Connection, Database
from ragpg.embedding import Progress, Vectors
from ragpg.errors import BadArgument, EncoderUnavailable
from ragpg.sentences import sentence_spans

SPANS = 24_000
HELD_OUT = 200
_LONGEST = 48  # words of a span: about the 64 tokens a question is cut to
_TEMPLATES = (
    "what is {}?",
    "what are {}",
    "how does {} work?",
    "how do I {}?",
    "how to {}",
    "why {}?",
    "does {}?",
    "is {}?",
    "when {}?",
    "where is {}?",
    "who {}?",
    "which {}?",
    "tell me about {}",
    "{}?",
)
# The targets are the model's unit vectors times the root of the number of tokens, as a sum of so
# many vectors grows: nDCG@10 on squad2's questions was 0.79 with it and 0.73 without.
_GROWTH = 0.5
_RIDGE = 1.0
_STEPS = 40
_START = 0.8

Matrix = NDArray[np.float32]


class QueryEmbedder(Protocol):
    """The model of a search index, many questions at a time."""

    def embed_queries(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Returns an array of shape (texts, dimensions), its rows of length 1."""


@dataclass(frozen=True, slots=True)
class StaticEncoderReport:
    """What a fit came to; agreement is measured on spans of chunks it was not fitted to.

    `mean_cosine` is to the model's vectors; `mean_overlap` is the share of the ten chunks nearest
    by the model that are among the ten nearest by the static encoder.
    """

    index_id: int
    spans: int
    held_out: int
    mean_cosine: float
    mean_overlap: float
    agrees: bool
    enabled: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class _Index:
    """A search index about to be fitted to."""

    id: int
    embedding_model_id: int
    language: str
    in_database: bool
    enabled: bool
    read_at: datetime


def fit_static_encoder(
    database: Database,
    collection: str,
    embedder: QueryEmbedder,
    *,
    spans: int = SPANS,
    use: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> StaticEncoderReport:
    """Fits, measures and stores a static encoder of the collection's active search index.

    It replaces an earlier one in one transaction. It is switched on when `use` is true or the
    earlier one was on, and only if it agrees with the model. `progress` hears texts done, total.
    Raises EncoderUnavailable when the database does not hold the index's model.
    """
    started = time.monotonic()
    index, chunks = _read(database, collection)
    drawn = random.Random(0)
    aside = max(1, min(HELD_OUT, len(chunks) // 20))
    templates = _TEMPLATES if index.language == "english" else ()
    asked = draw_spans(chunks[:aside], HELD_OUT, drawn, templates)
    known = set(asked)
    texts = [t for t in draw_spans(chunks[aside:], spans, drawn, templates) if t not in known]
    if not texts:
        raise BadArgument(f'"{collection}" has too little text to fit a static encoder to')
    vocabulary = _vocabulary(database, index)
    listen = _counter(len(texts) + len(asked) + len(vocabulary), progress)
    exact = embedder.embed_queries(asked, listen)
    targets = embedder.embed_queries(texts, listen)
    alone = embedder.embed_queries([token.removeprefix("##") for token in vocabulary], listen)
    start = np.zeros((max(vocabulary.values()) + 1, targets.shape[1]), np.float32)
    start[list(vocabulary.values())] = _START * (alone - alone.mean(axis=0))
    bias, table = fit(_tokens(database, index, texts), targets, start)
    with database.connection() as connection:  # one transaction
        _store(connection, index, len(texts), len(chunks), bias, table, vocabulary.values())
        enabled = _measure(connection, index.id, asked, exact, use or index.enabled)
        row = connection.execute(queries.STATIC_AGREEMENT, (index.id,)).fetchone()
    assert row is not None
    cosine, overlap, agrees = row
    return StaticEncoderReport(
        index_id=index.id,
        spans=len(texts),
        held_out=len(asked),
        mean_cosine=cosine,
        mean_overlap=overlap,
        agrees=agrees,
        enabled=enabled,
        seconds=time.monotonic() - started,
    )


def _read(database: Database, collection: str) -> tuple[_Index, list[str]]:
    """Returns the active search index and its chunks' texts, in an order drawn by their hashes."""
    with database.connection() as connection:
        index = (
            connection.cursor(row_factory=class_row(_Index))
            .execute(queries.INDEX_TO_FIT, {"collection": collection})
            .fetchone()
        )
        if index is None:
            raise BadArgument(f'"{collection}" has no document yet: ragpg add')
        if not index.in_database:
            raise EncoderUnavailable(
                "a static encoder needs its model in the database, for the tokens: ragpg model load"
            )
        rows = connection.execute(queries.CHUNK_TEXTS, (index.id,)).fetchall()
    return index, [text for (text,) in rows]


def _vocabulary(database: Database, index: _Index) -> dict[str, int]:
    """Returns the tokens with their numbers, special ones such as [MASK] left out."""
    with database.connection() as connection:
        rows = connection.execute(queries.VOCABULARY, (index.embedding_model_id,)).fetchall()
    return {token: number for token, number in rows if len(token) == 1 or token[0] != "["}


def _tokens(database: Database, index: _Index, texts: Sequence[str]) -> list[list[int]]:
    """Returns the tokens the database reads for each text, without the first and the last one."""
    with database.connection() as connection:
        parameters = (index.embedding_model_id, list(texts))
        rows = connection.execute(queries.TOKENS, parameters).fetchall()
    return [tokens[1:-1] for (tokens,) in rows]


def _counter(total: int, progress: Callable[[int, int], None] | None) -> Progress:
    done = 0

    def listen(texts: int) -> None:
        nonlocal done
        done += texts
        if progress:
            progress(done, total)

    return listen


# Spans -----------------------------------------------------------------------------------------


def draw_spans(
    texts: Sequence[str], wanted: int, drawn: random.Random, templates: Sequence[str] = _TEMPLATES
) -> list[str]:
    """Returns distinct spans of texts: sentences, windows of 2 to 12 words, templates filled.

    A third of each; fewer than wanted when the texts hold no more.
    """
    found: dict[str, None] = {}
    held = [text for text in texts if text.strip()]
    for attempt in range(3 * wanted if held else 0):
        if len(found) == wanted:
            break
        text = drawn.choice(held)
        if attempt % 3 == 0:
            span = " ".join(_sentence(text, drawn).split()[:_LONGEST])
        elif attempt % 3 == 1 or not templates:
            span = _window(text, 2, 12, drawn)
        else:
            words = _window(text, 1, 6, drawn).strip(" .,;:?!").lower()
            span = drawn.choice(templates).format(words)
        found[span] = None
    return list(found)


def _sentence(text: str, drawn: random.Random) -> str:
    start, end = drawn.choice(sentence_spans(text))
    return text[start:end]


def _window(text: str, shortest: int, longest: int, drawn: random.Random) -> str:
    words = text.split()
    size = min(len(words), drawn.randint(shortest, longest))
    start = drawn.randrange(len(words) - size + 1)
    return " ".join(words[start : start + size])


# The regression --------------------------------------------------------------------------------


def fit(tokens: Sequence[Sequence[int]], targets: Vectors, start: Matrix) -> tuple[Vectors, Matrix]:
    """Returns the bias, shape (dimensions,), and the table, shape (vocabulary, dimensions).

    `tokens` are those of each span, `targets` the model's unit vectors of the spans, `start` the
    table from which as little as possible is changed: the ridge is on the difference, so that a
    token the spans do not hold keeps its row.
    """
    from scipy import sparse  # here, because every command would wait for its import

    counts = _counts(tokens, len(start))
    lengths = np.maximum(np.asarray(counts.sum(axis=1), np.float32).reshape(-1, 1), 1)
    used = np.flatnonzero(np.asarray(counts.sum(axis=0)).ravel())
    ones = sparse.csr_matrix(np.ones((counts.shape[0], 1), np.float32))
    design = sparse.hstack([ones, counts[:, used]]).tocsr()
    ridge = np.full((design.shape[1], 1), _RIDGE, np.float32)
    ridge[0] = 1e-3  # the bias is as large as it likes
    change = ridge_regression(design, targets * lengths**_GROWTH - counts @ start, ridge)
    table = start.copy()
    table[used] += change[1:]
    return change[0], table


def ridge_regression(design: Any, targets: Matrix, ridge: Matrix, steps: int = _STEPS) -> Matrix:
    """Returns B that minimises |design B - targets|^2 + |sqrt(ridge) B|^2, nearly.

    Conjugate gradients on the normal equations (Hestenes and Stiefel 1952), preconditioned by
    their diagonal, all columns at once.
    """
    transposed = design.T.tocsr()
    scale = 1 / (np.asarray(design.multiply(design).sum(axis=0)).reshape(-1, 1) + ridge)
    solution = np.zeros((design.shape[1], targets.shape[1]), np.float32)
    residual = transposed @ targets
    direction = scale * residual
    before = (residual * direction).sum(axis=0)
    for _ in range(steps):
        image = transposed @ (design @ direction) + ridge * direction
        step = before / np.maximum((direction * image).sum(axis=0), 1e-30)
        solution += step * direction
        residual -= step * image
        after = (residual * (scale * residual)).sum(axis=0)
        direction = scale * residual + after / np.maximum(before, 1e-30) * direction
        before = after
    return solution


def _counts(tokens: Sequence[Sequence[int]], vocabulary: int) -> Any:
    """Returns how often each token is in each span, a sparse array (spans, vocabulary)."""
    from scipy import sparse

    ends = np.cumsum([0, *map(len, tokens)])
    columns = np.fromiter((token for span in tokens for token in span), np.int64, ends[-1])
    ones = np.ones(len(columns), np.float32)
    counts = sparse.csr_matrix((ones, columns, ends), shape=(len(tokens), vocabulary))
    counts.sum_duplicates()
    return counts


# Storing ---------------------------------------------------------------------------------------


def _store(
    connection: Connection,
    index: _Index,
    spans: int,
    chunks: int,
    bias: Vectors,
    table: Matrix,
    token_ids: Any,
) -> None:
    connection.execute(queries.DELETE_STATIC_ENCODER, (index.id,))
    parameters = (index.id, Vector(bias), spans, chunks, index.read_at)
    connection.execute(queries.INSERT_STATIC_ENCODER, parameters)
    with connection.cursor() as cursor, cursor.copy(queries.COPY_STATIC_TOKEN_EMBEDDINGS) as copy:
        copy.set_types(["int8", "int4", "halfvec"])
        for number in sorted(token_ids):
            copy.write_row((index.id, number, HalfVector(table[number])))


def _measure(
    connection: Connection, index_id: int, asked: list[str], exact: Vectors, use: bool
) -> bool:
    """Stores the agreement; returns whether the static encoder is on now."""
    vectors = [Vector(row) for row in exact]
    row = connection.execute(queries.MEASURE_STATIC_ENCODER, (index_id, asked, vectors)).fetchone()
    enabled = use and bool(row and row[0])
    if enabled:
        connection.execute(queries.USE_STATIC_ENCODER, (index_id, True))
    return enabled
