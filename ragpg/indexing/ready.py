"""Documents that come with their embedding: many by one statement, one chunk each."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from importlib import import_module

import numpy as np
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
_WRITERS = 4  # batches at once, where there are as many cores
_TOO_LARGE = 65520  # half precision would round it to infinity
_Outcome = tuple[str, str | RagpgError]  # a source, and "added", "updated" or what was wrong


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

    A bad one is found and reported. Several batches are on their way at once, each over a
    connection of its own: most of the time is the server's, for the words of the texts, and a
    connection has one of its cores.
    """
    batches = (items[first : first + _BATCH] for first in range(0, len(items), _BATCH))
    writers = min(_WRITERS, os.cpu_count() or 1, indexer.database.max_size)
    with ThreadPoolExecutor(writers, "ragpg-load") as threads:
        under_way: deque[Future[list[_Outcome]]] = deque()
        try:
            for batch in batches:
                if stop.is_set():
                    break
                under_way.append(threads.submit(copy_context().run, _stored, indexer, batch))
                if len(under_way) > writers:  # one waits, so that no writer does
                    _tell(tally, under_way.popleft().result())
            while under_way:
                one = under_way.popleft()
                if not (stop.is_set() and one.cancel()):
                    _tell(tally, one.result())
        except BaseException:
            threads.shutdown(wait=True, cancel_futures=True)
            raise


def _tell(tally: Tally, outcomes: list[_Outcome]) -> None:
    for source, outcome in outcomes:
        if isinstance(outcome, RagpgError):
            tally.fail_by(source, outcome)
        else:
            tally.count(outcome, source)


def _stored(indexer: Indexer, items: Sequence[Input]) -> list[_Outcome]:
    """Returns what became of each document; a lost connection is raised."""
    loaded: list[tuple[Input, LoadedDocument]] = []
    bad: list[_Outcome] = []
    wanted, model = indexer.index.probe.dimensions(), indexer.index.name
    for item in items:
        try:
            if len(item.embedding) != wanted:
                raise BadArgument(
                    f"its embedding has {len(item.embedding)} dimensions, those of {model}, the "
                    f"collection's model, have {wanted}: embed it with that model"
                )
            if np.abs(item.embedding).max() >= _TOO_LARGE:
                raise BadArgument(
                    "its embedding holds a number above 65,504, the largest in half precision"
                )
            loaded.append((item, item.load()))
        except RagpgError as error:
            bad.append((item.source, error))
    return bad + list(_store(indexer, loaded))


def _store(indexer: Indexer, loaded: list[tuple[Input, LoadedDocument]]) -> Iterator[_Outcome]:
    if not loaded:
        return
    try:
        outcomes = _put(indexer, loaded)
    except RagpgError as error:
        if isinstance(error, ConnectionFailed):
            raise
        if len(loaded) == 1:
            yield loaded[0][0].source, error
            return
        middle = len(loaded) // 2  # halves, down to the one that cannot be stored
        yield from _store(indexer, loaded[:middle])
        yield from _store(indexer, loaded[middle:])
        return
    yield from outcomes


def _put(indexer: Indexer, loaded: list[tuple[Input, LoadedDocument]]) -> list[_Outcome]:
    """Returns of each document whether it was "added" or "updated"; one statement, all or none."""
    documents = [document for _, document in loaded]
    rows = indexer.database.rows(
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
    return [(row["source"], row["outcome"]) for row in rows]
