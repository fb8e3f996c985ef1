"""Texts and files into a collection: what changed, stored and indexed in one transaction each."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from ragpg import queries
from ragpg.database.connection import Database
from ragpg.errors import ConnectionFailed, LoadError, RagpgError
from ragpg.indexing.indexer import Indexer, Prepared, Worker, ensure_index, refresh
from ragpg.indexing.syncing import Sync
from ragpg.reading import (
    LOADER_VERSION,
    MEDIA_TYPES,
    SEVERAL_MEDIA_TYPES,
    LoadedDocument,
    LoadedPart,
    check_size,
    load_documents,
    load_path,
)

# Texts embedded between two writes: enough to sort by length, little enough to lose by a crash.
_BATCH_CHUNKS = 512
# Documents that come with their embedding, stored by one statement.
_BATCH_READY = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that was not taken in, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an ingest did: documents by outcome, chunks by whether the model had to embed them."""

    added: int
    updated: int
    unchanged: int
    deleted: int
    failed: int
    chunks_embedded: int
    chunks_reused: int
    seconds: float
    failures: tuple[Failure, ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """A document to take in: its source, its raw bytes' hash and how to load it.

    With an `embedding` of its own, of shape (dimensions,), it becomes one chunk.
    """

    source: str
    source_hash: bytes
    load: Callable[[], LoadedDocument]
    embedding: Any = None


class AddProgress(Protocol):
    """Hears how an ingest advances."""

    def __call__(self, *, documents: int, total: int, chunks: int) -> None:
        """`documents` of `total` are done, `chunks` embedded so far."""


Outcome = Literal["added", "updated", "deleted", "failed"]
# Hears what became of a document: outcome, source, and for a failure the reason.
OnOutcome = Callable[[Outcome, str, str], None]


@dataclass(slots=True)
class _Tally:
    """Counts while an ingest runs."""

    total: int
    progress: AddProgress | None
    started: float
    on_outcome: OnOutcome | None = None
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    embedded: int = 0
    reused: int = 0
    failures: list[Failure] = field(default_factory=list)

    def tell(self) -> None:
        done = self.added + self.updated + self.unchanged + len(self.failures)
        if self.progress:
            self.progress(documents=done, total=self.total, chunks=self.embedded)

    def count(self, outcome: str, source: str) -> None:
        """Counts a document that was added, updated, unchanged or deleted."""
        setattr(self, outcome, getattr(self, outcome) + 1)
        if self.on_outcome and outcome != "unchanged":
            self.on_outcome(cast(Outcome, outcome), source, "")
        self.tell()

    def fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        if self.on_outcome:
            self.on_outcome("failed", failure.source, failure.reason)
        self.tell()

    def report(self, skipped: Sequence[str]) -> AddReport:
        return AddReport(
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            deleted=self.deleted,
            failed=len(self.failures),
            chunks_embedded=self.embedded,
            chunks_reused=self.reused,
            seconds=round(time.monotonic() - self.started, 3),
            failures=tuple(self.failures),
            skipped=tuple(skipped),
        )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A document that was read and chunked."""

    item: Input
    document: LoadedDocument
    prepared: Prepared


def fingerprint(*parts: bytes | str) -> bytes:
    """Returns the SHA-256 of the loader's version and the parts: equal means nothing to do."""
    digest = hashlib.sha256(LOADER_VERSION.encode())
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


def text_input(
    text: str,
    source: str,
    title: str | None,
    media_type: str,
    metadata: dict[str, Any] | None,
    embedding: Any = None,
) -> Input:
    """Returns the input for a given text; given title and metadata win over the text's own."""
    from ragpg.reading import load_text

    def load() -> LoadedDocument:
        loaded = load_text(text, media_type=media_type, name=source)
        return replace(
            loaded,
            title=loaded.title if title is None else title,
            metadata={**loaded.metadata, **(metadata or {})},
        )

    told = json.dumps([title, metadata], sort_keys=True, default=str)
    vector = b"" if embedding is None else np.asarray(embedding, np.float32).tobytes()
    return Input(source, fingerprint(media_type, text, told, vector), load, embedding)


def file_inputs(source: str, path: Path) -> tuple[list[Input], list[Failure]]:
    """Returns the inputs for the documents of a file, and the parts of it that cannot be read.

    A file of one document is only hashed here. One of records or mails is read: each of its
    documents has a hash of its own, so that those that did not change cost nothing more.
    """
    failures: list[Failure] = []
    try:
        check_size(path)
        if MEDIA_TYPES.get(path.suffix.lower()) not in SEVERAL_MEDIA_TYPES:
            with path.open("rb") as file:
                raw = hashlib.file_digest(file, "sha256").digest()
            return [
                Input(source, fingerprint(path.suffix.lower(), raw), partial(load_path, path))
            ], []
        parts = load_documents(
            path, lambda suffix, error: failures.append(Failure(source + suffix, str(error)))
        )
        return [_part_input(source, part) for part in parts], failures
    except LoadError as error:
        return [], [Failure(source, str(error))]
    except OSError as error:
        return [], [Failure(source, f"{source} cannot be read: {error.strerror}")]


def _part_input(source: str, part: LoadedPart) -> Input:
    told = json.dumps(asdict(part.document), sort_keys=True)
    return Input(source + part.suffix, fingerprint(told), lambda: part.document)


def add_documents(
    worker: Worker,
    collection: str,
    inputs: Iterable[Input],
    *,
    language: str = "english",
    chunk_tokens: int | None = None,
    skipped: Sequence[str] = (),
    failures: Sequence[Failure] = (),
    progress: AddProgress | None = None,
    started: float | None = None,
    sync: Sync | None = None,
    stop: threading.Event | None = None,
    on_outcome: OnOutcome | None = None,
) -> AddReport:
    """Makes the collection hold these documents as they are now, and returns what that took.

    Documents whose bytes are those of last time are left alone, and the model is not even loaded
    when that is all of them. Every other document is replaced with its chunks in one transaction.
    A document that cannot be read is reported and the rest done. `started` is the monotonic time
    from which the report counts its seconds, when finding the documents shall count too.

    With `sync` what vanished is deleted in the end; TooManyVanished is raised before anything is
    changed. When `stop` is set the documents at hand are finished and the rest left for next time.
    """
    database, embedder = worker.database, worker.default_embedder
    items = list({item.source: item for item in inputs}.values())  # given twice: the last one
    total = len(items) + len(failures)
    tally = _Tally(total, progress, started or time.monotonic(), on_outcome)
    for failure in failures:
        tally.fail(failure)
    if sync:
        sync.check()
    changed = _changed(database, collection, items)
    tally.unchanged = len(items) - len(changed)
    tally.tell()
    if changed:
        index = ensure_index(
            database, collection, embedder, language=language, chunk_tokens=chunk_tokens
        )
        indexer = Indexer(database, index, embedder, worker.situate_for(index))
        writer = _Writer(database, collection, indexer, tally, stop or threading.Event())
        for batch in _batches(writer.load(item for item in changed if item.embedding is None)):
            writer.write(batch)
        ready = [item for item in changed if item.embedding is not None]
        for first in range(0, len(ready), _BATCH_READY):
            writer.write_ready(ready[first : first + _BATCH_READY])
    # Last, so that a file that only moved has its embeddings reused.
    for source in sync.delete() if sync and not (stop and stop.is_set()) else ():
        tally.count("deleted", source)
    _refresh(database, collection)
    _index_waiting(worker, tally)
    return tally.report(skipped)


def _index_waiting(worker: Worker, tally: _Tally) -> None:
    """Brings the collection's other search indexes up to date, and what SQL wrote into it."""
    with worker.database.connection() as connection:
        parameters = {"collection": worker.collection}
        row = connection.execute(queries.IS_WAITING, parameters).fetchone()
    if row and row[0]:
        done = worker.drain()
        tally.embedded += done.chunks_embedded
        tally.reused += done.chunks_reused


def _changed(database: Database, collection: str, items: list[Input]) -> list[Input]:
    with database.connection() as connection:
        rows = connection.execute(queries.INDEXED_HASHES, {"collection": collection}).fetchall()
    known = {source: bytes(source_hash) for source, source_hash in rows}
    return [item for item in items if known.get(item.source) != item.source_hash]


def _batches(loaded: Iterable[_Loaded]) -> Iterator[list[_Loaded]]:
    batch: list[_Loaded] = []
    chunks = 0
    for one in loaded:
        batch.append(one)
        chunks += len(one.prepared.spans)
        if chunks >= _BATCH_CHUNKS:
            yield batch
            batch, chunks = [], 0
    if batch:
        yield batch


def _refresh(database: Database, collection: str) -> None:
    """Builds and counts what ranking needs, also what an interrupted ingest left undone."""
    with database.connection() as connection:
        stale = connection.execute(queries.UNREFRESHED, {"collection": collection}).fetchall()
    for (index_id,) in stale:
        refresh(database, index_id)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Loads, embeds and stores documents of one collection."""

    database: Database
    collection: str
    indexer: Indexer
    tally: _Tally
    stop: threading.Event

    def load(self, items: Iterable[Input]) -> Iterator[_Loaded]:
        """Yields the documents that can be read, loaded and chunked, until `stop` is set."""
        for item in items:
            if self.stop.is_set():
                return
            try:
                document = item.load()
                yield _Loaded(item, document, self.indexer.prepare(document))
            except RagpgError as error:
                self.tally.fail(Failure(item.source, str(error)))

    def write(self, batch: list[_Loaded]) -> None:
        """Stores the documents, embedding the texts the search index has never seen."""
        before = self.tally.embedded

        def advance(count: int) -> None:
            self.tally.embedded += count
            self.tally.tell()

        vectors, embedded = self.indexer.embed([one.prepared for one in batch], advance)
        self.tally.embedded = before + embedded  # whatever the model told meanwhile
        for one in batch:
            try:
                self._store(one, vectors)
            except ConnectionFailed:
                raise
            except RagpgError as error:
                self.tally.fail(Failure(one.item.source, str(error)))
        self.tally.reused += sum(len(one.prepared.spans) for one in batch) - embedded

    def write_ready(self, items: list[Input]) -> None:
        """Stores documents that come with their embedding; a bad one is found and reported."""
        loaded: list[tuple[Input, LoadedDocument]] = []
        for item in items:
            try:
                loaded.append((item, item.load()))
            except RagpgError as error:
                self.tally.fail(Failure(item.source, str(error)))
        self._store_ready(loaded)

    def _store_ready(self, loaded: list[tuple[Input, LoadedDocument]]) -> None:
        if not loaded:
            return
        try:
            outcomes = self.indexer.store_embedded(
                [(one.source, one.source_hash, one.embedding, document) for one, document in loaded]
            )
        except ConnectionFailed:
            raise
        except RagpgError as error:
            if len(loaded) == 1:
                self.tally.fail(Failure(loaded[0][0].source, str(error)))
                return
            middle = len(loaded) // 2  # halves, down to the one that cannot be stored
            self._store_ready(loaded[:middle])
            self._store_ready(loaded[middle:])
            return
        self.tally.added += outcomes.count("added")
        self.tally.updated += outcomes.count("updated")
        self.tally.tell()

    def _store(self, one: _Loaded, vectors: dict[bytes, HalfVector]) -> None:
        with self.database.connection() as connection:  # one transaction
            row = connection.execute(
                queries.PUT_DOCUMENT,
                {
                    "index_id": self.indexer.index.id,
                    "collection": self.collection,
                    "source": one.item.source,
                    "content": one.document.content,
                    "title": one.document.title,
                    "media_type": one.document.media_type,
                    "metadata": Jsonb(one.document.metadata),
                    "source_hash": one.item.source_hash,
                    "page_starts": list(one.document.page_starts),
                },
            ).fetchone()
            assert row is not None
            document_id, version, outcome, indexed = row
            if not indexed:
                self.indexer.store(connection, one.prepared, document_id, version, vectors)
        self.tally.count(outcome, one.item.source)
