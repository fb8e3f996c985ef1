"""Documents into a collection: loaded, embedded, stored in one transaction each."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from psycopg.types.json import Jsonb

from ragpg.database import Database
from ragpg.errors import RagpgError
from ragpg.indexing import queries
from ragpg.indexing.batching import in_batches
from ragpg.indexing.indexer import Indexer, Prepared
from ragpg.indexing.inputs import Input
from ragpg.indexing.tally import Tally
from ragpg.models import HalfVector
from ragpg.reading import LoadedDocument, told_if_slow
from ragpg.reading.metadata import json_text


def indexed_hashes(database: Database, collection: str) -> dict[str, bytes]:
    """Returns the hash of what each indexed document was made of, by source."""
    rows = database.rows(queries.INDEXED_HASHES, collection=collection)
    return {row["source"]: bytes(row["source_hash"]) for row in rows}


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A document that was read and chunked."""

    item: Input
    document: LoadedDocument
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Writer:
    """Loads, embeds and stores documents of one collection."""

    database: Database
    collection: str
    indexer: Indexer
    tally: Tally
    stop: threading.Event

    def write_all(self, items: Sequence[Input]) -> None:
        """Stores the documents, in batches, until `stop` is set."""
        loaded = self.load(item for item in items if item.embedding is None)
        for batch in in_batches(loaded, lambda one: len(one.prepared.spans)):
            self.write(batch)
        ready = [item for item in items if item.embedding is not None]
        if ready:
            from ragpg.indexing.ready import write_ready

            write_ready(self.indexer, self.tally, ready, self.stop)

    def load(self, items: Iterable[Input]) -> Iterator[_Loaded]:
        """Yields the documents that can be read, loaded and chunked, until `stop` is set."""
        for item in items:
            if self.stop.is_set():
                return
            try:
                with told_if_slow(partial(self.tally.slow, item.source)):
                    document = item.load()
                self.tally.note_scans(item.source, document.metadata)
                yield _Loaded(item, document, self.indexer.prepare(document))
            except RagpgError as error:
                self.tally.fail_by(item.source, error)

    def write(self, batch: list[_Loaded]) -> None:
        """Stores the documents, embedding the texts the search index has never seen."""
        before, chunks = self.tally.embedded, sum(len(one.prepared.spans) for one in batch)
        self.tally.read += len(batch)
        self.tally.cut += chunks

        def advance(count: int) -> None:
            self.tally.embedded += count
            self.tally.tell()

        vectors, embedded = self.indexer.embed([one.prepared for one in batch], advance)
        self.tally.embedded = before + embedded  # whatever the model told meanwhile
        self.tally.reused += chunks - embedded
        for one in batch:
            try:
                self._store(one, vectors)
            except RagpgError as error:
                self.tally.fail_by(one.item.source, error)

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
                    "metadata": Jsonb(one.document.metadata, json_text),
                    "source_hash": one.item.source_hash,
                    "page_starts": list(one.document.page_starts),
                },
            ).fetchone()
            assert row is not None
            document_id, version, outcome, indexed = row
            if not indexed:
                self.indexer.store(connection, one.prepared, document_id, version, vectors)
        self.tally.count(outcome, one.item.source)
