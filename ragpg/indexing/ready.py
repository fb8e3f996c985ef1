"""Documents that come with their embedding: many by one statement, one chunk each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import import_module

from psycopg.types.json import Jsonb

from ragpg.errors import BadArgument, ConnectionFailed, RagpgError, UnknownCollection
from ragpg.indexing import syncing_queries as queries
from ragpg.indexing.indexer import Indexer
from ragpg.indexing.inputs import Input
from ragpg.indexing.tally import Tally
from ragpg.models import Embedder, GivenEmbedder, HalfVector, SentenceTransformerEmbedder
from ragpg.reading import LoadedDocument
from ragpg.reading.metadata import json_text
from ragpg.session import Session

_BATCH = 1000  # stored by one statement


def embedder_of(session: Session, collection: str, dimensions: int) -> Embedder:
    """Returns the model of a collection whose documents come with their embedding.

    That is the configured one; where sentence-transformers cannot be imported, and where the
    collection has begun so, it is none: questions then bring their embedding, too. Where none is
    configured, the adapters' way, it is the collection's.
    """
    try:
        active = session.active_index(collection)
    except UnknownCollection:
        active = None
    none = GivenEmbedder.provider
    if active is not None and none in (active.provider, session.embedder.provider):
        return session.embedder_for(active)
    if active is None and isinstance(session.embedder, SentenceTransformerEmbedder):
        try:
            import_module("sentence_transformers")
        except ImportError:
            return GivenEmbedder("records", dimensions)
    return session.embedder


def write_ready(
    indexer: Indexer, tally: Tally, items: Sequence[Input], stop: threading.Event
) -> None:
    """Stores documents that come with their embedding, until `stop` is set.

    A bad one is found and reported.
    """
    for first in range(0, len(items), _BATCH):
        if stop.is_set():
            return
        _write(indexer, tally, items[first : first + _BATCH])


def _write(indexer: Indexer, tally: Tally, items: Sequence[Input]) -> None:
    loaded: list[tuple[Input, LoadedDocument]] = []
    wanted, model = indexer.index.probe.dimensions(), indexer.index.name
    for item in items:
        try:
            if len(item.embedding) != wanted:
                raise BadArgument(
                    f"its embedding has {len(item.embedding)} dimensions, those of {model}, the "
                    f"collection's model, have {wanted}: embed it with that model"
                )
            loaded.append((item, item.load()))
        except RagpgError as error:
            tally.fail_by(item.source, error)
    _store(indexer, tally, loaded)


def _store(indexer: Indexer, tally: Tally, loaded: list[tuple[Input, LoadedDocument]]) -> None:
    if not loaded:
        return
    try:
        outcomes = _put(indexer, loaded)
    except RagpgError as error:
        if len(loaded) == 1 or isinstance(error, ConnectionFailed):
            tally.fail_by(loaded[0][0].source, error)
            return
        middle = len(loaded) // 2  # halves, down to the one that cannot be stored
        _store(indexer, tally, loaded[:middle])
        _store(indexer, tally, loaded[middle:])
        return
    for outcome, (item, _) in zip(outcomes, loaded, strict=True):
        tally.count(outcome, item.source)


def _put(indexer: Indexer, loaded: list[tuple[Input, LoadedDocument]]) -> list[str]:
    """Returns of each document whether it was "added" or "updated"; one statement, all or none."""
    documents = [document for _, document in loaded]
    return indexer.database.column(
        queries.PUT_EMBEDDED_DOCUMENTS,
        index_id=indexer.index.id,
        sources=[one.source for one, _ in loaded],
        contents=[document.content for document in documents],
        titles=[document.title for document in documents],
        media_types=[document.media_type for document in documents],
        metadata=[Jsonb(document.metadata, json_text) for document in documents],
        source_hashes=[one.source_hash for one, _ in loaded],
        embeddings=[HalfVector(one.embedding) for one, _ in loaded],
    )
