"""Workers, any number: what waits for a search index is claimed, chunked, embedded, stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby

import psycopg
from psycopg.rows import class_row

from ragpg.database import Connection
from ragpg.database.sessions import connect_alone
from ragpg.database.translation import translate
from ragpg.errors import ConnectionFailed, DocumentChanged, NeedsSession, RagpgError
from ragpg.indexing import queries, worker_queries
from ragpg.indexing.batching import in_batches
from ragpg.indexing.indexer import Indexer, Prepared
from ragpg.indexing.recipes import ensure_index
from ragpg.indexing.tally import Tally
from ragpg.models import HalfVector
from ragpg.reading import LoadedDocument
from ragpg.session import Session

# Statistics of a search index are counted again at least so often while a worker is busy.
_REFRESH_SECONDS = 60.0


@dataclass(slots=True)
class WorkReport:
    """What a worker did."""

    indexed: int = 0
    failed: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A waiting document that this worker has to itself."""

    index_id: int
    document_id: int
    tenant: str
    version: int
    title: str
    media_type: str
    content: str

    @property
    def place(self) -> tuple[int, str]:
        """Where it belongs: what is embedded together."""
        return self.index_id, self.tenant

    def document(self) -> LoadedDocument:
        """Returns what of it is chunked."""
        return LoadedDocument(self.title, self.content, self.media_type, {})


@dataclass(slots=True)
class Worker:
    """Indexes what waits in `ragpg.ingest_queue`; any number of workers share the work.

    A document is claimed by an advisory lock of the worker's own session: killed, it gives
    everything back at once. One whose chunking, embedding or storing fails backs off with its
    error and holds up no other.
    """

    session: Session
    collection: str | None = None
    index_id: int | None = None
    on_progress: Callable[[WorkReport], None] | None = None
    report: WorkReport = field(default_factory=WorkReport)
    _indexers: dict[int, Indexer] = field(default_factory=dict)
    _touched: set[int] = field(default_factory=set)
    _refreshed: float = field(default_factory=time.monotonic)

    def run(self, stop: threading.Event, poll_seconds: float = 5.0) -> WorkReport:
        """Works until `stop` is set, then ends after the documents at hand.

        Woken by whoever writes documents, and every `poll_seconds` for what backed off. A lost
        connection is made again.
        """
        pause = 1.0
        while not stop.is_set():
            try:
                with self._connection() as own:
                    own.execute("listen ragpg_documents")
                    pause = 1.0
                    while not stop.is_set():
                        self._drain(own, stop)
                        _wait(own, stop, poll_seconds)
            except ConnectionFailed:
                stop.wait(pause)
                pause = min(pause * 2, 30.0)
        return self.report

    def drain(self, stop: threading.Event | None = None) -> WorkReport:
        """Indexes all that waits and may be tried now, or until `stop` is set, then returns."""
        with self._connection() as own:
            self._drain(own, stop or threading.Event())
        return self.report

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Yields a connection of its own: claims and notifications belong to a session."""
        connection = connect_alone(self.session.database)
        try:
            yield connection
        except psycopg.Error as error:
            raise translate(error) from error
        finally:
            connection.close()

    def _drain(self, own: Connection, stop: threading.Event) -> None:
        self._make_indexes()
        while not stop.is_set() and (claims := self._claim(own)):
            started = time.monotonic()
            for _, group in groupby(claims, key=lambda claim: claim.place):
                self._index(own, list(group), stop)
            self.report.seconds += time.monotonic() - started
            if time.monotonic() - self._refreshed > _REFRESH_SECONDS:
                self._refresh()
        self._refresh()

    def _make_indexes(self) -> None:
        """Makes the search index of collections that only SQL has written to."""
        if self.index_id is not None:
            return
        for name in self.session.database.column(
            worker_queries.COLLECTIONS_WITHOUT_INDEX, collection=self.collection
        ):
            ensure_index(self.session, name, self.session.embedder, "english", None)

    def _claim(self, own: Connection) -> list[Claim]:
        parameters = {"collection": self.collection, "index_id": self.index_id}
        with own.cursor(row_factory=class_row(Claim)) as cursor:
            claims = cursor.execute(worker_queries.CLAIM_DOCUMENTS, parameters).fetchall()
        return sorted(claims, key=lambda claim: claim.place)

    def _index(self, own: Connection, claims: list[Claim], stop: threading.Event) -> None:
        """Indexes claims of one place; when `stop` is set, those not begun are given back."""
        rest = iter(claims)
        for batch in in_batches(self._prepare(own, rest), lambda one: len(one[1].spans)):
            self._write(own, self._indexer(batch[0][0].index_id), batch)
            if stop.is_set():
                break
        for claim in rest:
            self._release(own, claim)

    def _prepare(
        self, own: Connection, claims: Iterator[Claim]
    ) -> Iterator[tuple[Claim, Prepared]]:
        for claim in claims:
            try:
                indexer = self._indexer(claim.index_id)
                yield claim, indexer.prepare(claim.document())
            except ConnectionFailed:
                raise
            except Exception as error:  # whatever a document does to the chunker is its own matter
                self._release(own, claim, error)

    def _indexer(self, index_id: int) -> Indexer:
        if index_id not in self._indexers:
            index = self.session.search_index(index_id)
            self._indexers[index_id] = Indexer(self.session, index)
        return self._indexers[index_id]

    def _write(
        self, own: Connection, indexer: Indexer, batch: list[tuple[Claim, Prepared]]
    ) -> None:
        try:
            vectors, embedded = indexer.embed(
                [prepared for _, prepared in batch], tenant=batch[0][0].tenant
            )
        except ConnectionFailed:
            raise
        except Exception as error:
            if len(batch) == 1:
                self._release(own, batch[0][0], error)
            for one in batch if len(batch) > 1 else ():  # which of them is it?
                self._write(own, indexer, [one])
            return
        self.report.chunks_embedded += embedded
        self.report.chunks_reused += sum(len(one.spans) for _, one in batch) - embedded
        for claim, prepared in batch:
            self._store(own, indexer, claim, prepared, vectors)

    def _store(
        self,
        own: Connection,
        indexer: Indexer,
        claim: Claim,
        prepared: Prepared,
        vectors: dict[bytes, HalfVector],
    ) -> None:
        try:
            with self.session.database.connection() as connection:
                indexer.store(connection, prepared, claim.document_id, claim.version, vectors)
        except ConnectionFailed:
            raise
        except DocumentChanged:  # or deleted: the newer version waits in its turn
            self._release(own, claim)
        except RagpgError as error:
            self._release(own, claim, error)
        else:
            self.report.indexed += 1
            self._touched.add(claim.index_id)
            self._release(own, claim)

    def _release(self, own: Connection, claim: Claim, error: Exception | None = None) -> None:
        if error is not None:
            self.report.failed += 1
        own.execute(
            worker_queries.RELEASE_DOCUMENT,
            {
                "index_id": claim.index_id,
                "document_id": claim.document_id,
                "document_version": claim.version,
                "error": None if error is None else str(error) or type(error).__name__,
            },
        )
        if self.on_progress:
            self.on_progress(self.report)

    def _refresh(self) -> None:
        for index_id in self._touched:
            self.session.database.execute(queries.REFRESH_SEARCH_INDEX, index_id=index_id)
        self._touched.clear()
        self._refreshed = time.monotonic()


def index_waiting(session: Session, collection: str, tally: Tally) -> None:
    """Brings the collection's other search indexes up to date, and what SQL wrote into it."""
    with suppress(NeedsSession):  # behind a pooler: workers do it, from where they run
        done = Worker(session, collection).drain()
        tally.embedded += done.chunks_embedded
        tally.reused += done.chunks_reused


def _wait(own: Connection, stop: threading.Event, seconds: float) -> None:
    """Waits until documents were written, the seconds have passed or stop is set."""
    until = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < until:
        if any(True for _ in own.notifies(timeout=0.2, stop_after=1)):
            return
