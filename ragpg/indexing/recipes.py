"""Which search index documents go into: made by a recipe."""

from __future__ import annotations

from typing import Any, LiteralString

from ragpg.indexing import queries
from ragpg.indexing.indexer import register_model
from ragpg.models import Embedder
from ragpg.session import SearchIndex, Session

# Chunks are this long unless the collection says otherwise or the model's window is shorter.
DEFAULT_CHUNK_TOKENS = 254
CONTEXT_TOKENS = 64
"""Of a chunk, in the embedding model's own tokens, kept free for its sentence."""


def ensure_index(
    session: Session, collection: str, embedder: Embedder, language: str, chunk_tokens: int | None
) -> SearchIndex:
    """Returns the active search index, made by this recipe when the collection has none.

    Raises ModelMismatch when it was built with another model.
    """
    return make_index(
        session,
        queries.ENSURE_SEARCH_INDEX,
        embedder,
        collection=collection,
        chunk_tokens=tokens_of_chunk(chunk_tokens, embedder),
        overlap_tokens=0,
        language=language,
    )


def make_index(
    session: Session, statement: LiteralString, embedder: Embedder, **recipe: Any
) -> SearchIndex:
    """Returns the search index that a statement makes of a recipe."""
    with session.database.connection() as connection:  # one transaction
        given = {**recipe, "embedding_model_id": register_model(connection, embedder)}
        row = connection.execute(statement, given).fetchone()
        assert row is not None
    session.know(row[0], embedder)
    return session.search_index(row[0])


def tokens_of_chunk(wanted: int | None, embedder: Embedder) -> int:
    """Returns how many tokens a chunk may have: as wanted, within the model's window."""
    return min(wanted or DEFAULT_CHUNK_TOKENS, embedder.max_tokens)


def tokens_of_context(chunk_tokens: int) -> int:
    """Returns how many of them are kept free for a sentence of context: a quarter at most."""
    return min(CONTEXT_TOKENS, chunk_tokens // 4)
