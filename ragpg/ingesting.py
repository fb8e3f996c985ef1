"""Documents to chunks: what changed, which texts are new to the model, one transaction each."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pgvector import HalfVector
from psycopg.types.json import Jsonb

from ragpg import queries
from ragpg.chunking import ChunkSpan, chunk_text
from ragpg.database import Database
from ragpg.embedding import PROBE_TEXT, Embedder
from ragpg.errors import ConnectionFailed, EmbeddingError, LoadError, RagpgError
from ragpg.loading import (
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
# Chunks are this long unless the collection says otherwise or the model's window is shorter.
DEFAULT_CHUNK_TOKENS = 254


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
    """A document to take in: its source, its raw bytes' hash and how to load it."""

    source: str
    source_hash: bytes
    load: Callable[[], LoadedDocument]


class AddProgress(Protocol):
    """Hears how an ingest advances."""

    def __call__(self, *, documents: int, total: int, chunks: int) -> None:
        """`documents` of `total` are done, `chunks` embedded so far."""


@dataclass(slots=True)
class _Tally:
    """Counts while an ingest runs."""

    total: int
    progress: AddProgress | None
    started: float
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    embedded: int = 0
    reused: int = 0
    failures: list[Failure] = field(default_factory=list)

    def tell(self) -> None:
        done = self.added + self.updated + self.unchanged + len(self.failures)
        if self.progress:
            self.progress(documents=done, total=self.total, chunks=self.embedded)

    def fail(self, source: str, error: Exception) -> None:
        self.failures.append(Failure(source, str(error)))
        self.tell()

    def report(self, skipped: Sequence[str]) -> AddReport:
        return AddReport(
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            deleted=0,
            failed=len(self.failures),
            chunks_embedded=self.embedded,
            chunks_reused=self.reused,
            seconds=round(time.monotonic() - self.started, 3),
            failures=tuple(self.failures),
            skipped=tuple(skipped),
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A loaded and chunked document."""

    item: Input
    document: LoadedDocument
    spans: list[ChunkSpan]

    def texts(self) -> Iterator[str]:
        """What is embedded of each chunk; the database hashes the same."""
        for span in self.spans:
            yield f"{span.context}\n{self.document.content[span.start_char : span.end_char]}"


def fingerprint(*parts: bytes | str) -> bytes:
    """Returns the SHA-256 of the loader's version and the parts: equal means nothing to do."""
    digest = hashlib.sha256(LOADER_VERSION.encode())
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


def text_input(
    text: str, source: str, title: str | None, media_type: str, metadata: dict[str, Any] | None
) -> Input:
    """Returns the input for a given text; given title and metadata win over the text's own."""
    from ragpg.loading import load_text

    def load() -> LoadedDocument:
        loaded = load_text(text, media_type=media_type, name=source)
        return replace(
            loaded,
            title=loaded.title if title is None else title,
            metadata={**loaded.metadata, **(metadata or {})},
        )

    told = json.dumps([title, metadata], sort_keys=True, default=str)
    return Input(source, fingerprint(media_type, text, told), load)


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
    database: Database,
    collection: str,
    inputs: Iterable[Input],
    embedder: Embedder,
    *,
    language: str = "english",
    chunk_tokens: int | None = None,
    skipped: Sequence[str] = (),
    failures: Sequence[Failure] = (),
    progress: AddProgress | None = None,
    started: float | None = None,
) -> AddReport:
    """Makes the collection hold these documents as they are now, and returns what that took.

    Documents whose bytes are those of last time are left alone, and the model is not even loaded
    when that is all of them. Every other document is replaced with its chunks in one transaction.
    A document that cannot be read is reported and the rest done. `started` is the monotonic time
    from which the report counts its seconds, when finding the documents shall count too.
    """
    items = list(inputs)
    total = len(items) + len(failures)
    tally = _Tally(total, progress, started or time.monotonic(), failures=list(failures))
    changed = _changed(database, collection, items)
    tally.unchanged = len(items) - len(changed)
    tally.tell()
    if changed:
        writer = _Writer(database, collection, embedder, language, chunk_tokens)
        for batch in _batches(writer.prepare(changed, tally)):
            writer.write(batch, tally)
    _refresh(database, collection)
    return tally.report(skipped)


def _changed(database: Database, collection: str, items: list[Input]) -> list[Input]:
    with database.connection() as connection:
        rows = connection.execute(queries.INDEXED_HASHES, {"collection": collection}).fetchall()
    known = {source: bytes(source_hash) for source, source_hash in rows}
    return [item for item in items if known.get(item.source) != item.source_hash]


def _batches(prepared: Iterable[_Prepared]) -> Iterator[list[_Prepared]]:
    batch: list[_Prepared] = []
    chunks = 0
    for one in prepared:
        batch.append(one)
        chunks += len(one.spans)
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
            connection.execute(queries.REFRESH_SEARCH_INDEX, {"index_id": index_id})


class _Writer:
    """Chunks, embeds and stores documents of one collection."""

    def __init__(
        self,
        database: Database,
        collection: str,
        embedder: Embedder,
        language: str,
        chunk_tokens: int | None,
    ) -> None:
        self._database = database
        self._collection = collection
        self._embedder = embedder
        window = embedder.max_tokens
        probe = HalfVector(embedder.embed_documents([PROBE_TEXT])[0])
        with database.connection() as connection:
            model_id = _value(
                connection.execute(
                    queries.ENSURE_EMBEDDING_MODEL,
                    {
                        "provider": embedder.provider,
                        "name": embedder.name,
                        "max_tokens": window,
                        "probe": probe,
                    },
                )
            )
            self._index_id = _value(
                connection.execute(
                    queries.ENSURE_SEARCH_INDEX,
                    {
                        "collection": collection,
                        "embedding_model_id": model_id,
                        "chunk_tokens": min(chunk_tokens or DEFAULT_CHUNK_TOKENS, window),
                        "overlap_tokens": 0,
                        "language": language,
                    },
                )
            )
            recipe = connection.execute(queries.ACTIVE_INDEX, {"collection": collection}).fetchone()
        assert recipe is not None
        self._max_tokens, self._overlap_tokens = min(recipe[1], window), recipe[2]

    def prepare(self, items: Iterable[Input], tally: _Tally) -> Iterator[_Prepared]:
        """Yields the documents that can be read, loaded and chunked."""
        for item in items:
            try:
                document = item.load()
                yield _Prepared(item, document, self._chunk(document))
            except RagpgError as error:
                tally.fail(item.source, error)

    def _chunk(self, document: LoadedDocument) -> list[ChunkSpan]:
        return chunk_text(
            document.content,
            title=document.title,
            media_type=document.media_type,
            token_starts=self._embedder.token_starts(document.content),
            count_tokens=lambda text: len(self._embedder.token_starts(text)),
            max_tokens=self._max_tokens,
            overlap_tokens=self._overlap_tokens,
        )

    def write(self, batch: list[_Prepared], tally: _Tally) -> None:
        """Stores the documents, embedding the texts the search index has never seen."""
        texts = {_hash(text): text for one in batch for text in one.texts()}
        vectors = self._known(list(texts))
        unseen = [key for key in texts if key not in vectors]
        before = tally.embedded

        def advance(count: int) -> None:
            tally.embedded += count
            tally.tell()

        try:
            new = self._embedder.embed_documents([texts[key] for key in unseen], advance)
        except RuntimeError as error:
            raise EmbeddingError(f"the embedding model failed: {error}") from error
        tally.embedded = before + len(unseen)  # whatever the model told meanwhile
        vectors.update((key, HalfVector(row)) for key, row in zip(unseen, new, strict=True))
        for one in batch:
            try:
                self._store(one, vectors, tally)
            except ConnectionFailed:
                raise
            except RagpgError as error:
                tally.fail(one.item.source, error)
        tally.reused += sum(len(one.spans) for one in batch) - len(unseen)

    def _known(self, hashes: list[bytes]) -> dict[bytes, HalfVector]:
        with self._database.connection() as connection:
            rows = connection.execute(
                queries.KNOWN_EMBEDDINGS, {"index_id": self._index_id, "hashes": hashes}
            ).fetchall()
        return {bytes(key): embedding for key, embedding in rows}

    def _store(self, one: _Prepared, vectors: dict[bytes, HalfVector], tally: _Tally) -> None:
        with self._database.connection() as connection:  # one transaction
            row = connection.execute(
                queries.PUT_DOCUMENT,
                {
                    "index_id": self._index_id,
                    "collection": self._collection,
                    "source": one.item.source,
                    "content": one.document.content,
                    "title": one.document.title,
                    "media_type": one.document.media_type,
                    "metadata": Jsonb(one.document.metadata),
                    "source_hash": one.item.source_hash,
                },
            ).fetchone()
            assert row is not None
            document_id, version, outcome, indexed = row
            if not indexed:
                parameters = self._chunk_arrays(one, vectors)
                parameters |= {"document_id": document_id, "document_version": version}
                connection.execute(queries.REPLACE_CHUNKS, parameters)
        setattr(tally, outcome, getattr(tally, outcome) + 1)
        tally.tell()

    def _chunk_arrays(self, one: _Prepared, vectors: dict[bytes, HalfVector]) -> dict[str, Any]:
        return {
            "index_id": self._index_id,
            "starts": [span.start_char for span in one.spans],
            "ends": [span.end_char for span in one.spans],
            "contexts": [span.context for span in one.spans],
            "token_counts": [span.token_count for span in one.spans],
            "embeddings": [vectors[_hash(text)] for text in one.texts()],
        }


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _value(cursor: Any) -> Any:
    return cursor.fetchone()[0]
