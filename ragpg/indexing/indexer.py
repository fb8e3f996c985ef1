"""Documents to chunks to embeddings to rows of one search index; and the worker that does so."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pgvector import HalfVector
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ragpg import queries
from ragpg.chunking import ChunkSpan, chunk_text
from ragpg.database.connection import Connection, Database, connect
from ragpg.errors import (
    AnswerError,
    ConnectionFailed,
    DocumentChanged,
    EmbeddingError,
    RagpgError,
    translate,
)
from ragpg.indexing.contextual import CONTEXT_TOKENS, Ask, asks_of, fit
from ragpg.models.embedding import PROBE_TEXT, Embedder, Progress
from ragpg.reading import LoadedDocument
from ragpg.search.searching import SearchIndex, search_index

# Chunks are this long unless the collection says otherwise or the model's window is shorter.
DEFAULT_CHUNK_TOKENS = 254
# Statistics of a search index are counted again at least so often while a worker is busy.
_REFRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chunked document: its spans, the text that is embedded of each, and its SHA-256.

    `generated` are the characters at the end of each context that a language model wrote.
    """

    spans: list[ChunkSpan]
    contexts: list[str]
    texts: list[str]
    hashes: list[bytes]
    generated: list[int]


# Writes sentences of context, or returns those that are written, by the key of what is asked.
Situate = Callable[[Sequence[Ask]], dict[bytes, str]]


class Indexer:
    """Writes documents into one search index."""

    def __init__(
        self,
        database: Database,
        index: SearchIndex,
        embedder: Embedder,
        situate: Situate | None = None,
    ) -> None:
        self.index = index
        self._database = database
        self._embedder = embedder
        self._situate = situate

    def prepare(self, document: LoadedDocument) -> Prepared:
        """Returns the document's chunks by the recipe of the search index.

        Where that has a language model write sentences of context, they are asked for; raises
        AnswerError when that fails.
        """
        content = document.content
        spans = self.cut(document)
        sentences = self._sentences(document, spans)
        bodies = [content[span.start_char : span.end_char] for span in spans]
        contexts = [
            _joined(_with_title(document.title, span.context), sentence)
            for span, sentence in zip(spans, sentences, strict=True)
        ]
        texts = [
            f"{_joined(span.context, sentence)}\n{body}"
            for span, sentence, body in zip(spans, sentences, bodies, strict=True)
        ]
        hashes = [
            hashlib.sha256(f"{context}\n{body}".encode()).digest()
            for context, body in zip(contexts, bodies, strict=True)
        ]
        return Prepared(spans, contexts, texts, hashes, [len(one) for one in sentences])

    def cut(self, document: LoadedDocument) -> list[ChunkSpan]:
        """Returns the document's chunks, with room for the sentences they shall get."""
        return cut(
            document,
            self._embedder,
            chunk_tokens=self.index.chunk_tokens,
            overlap_tokens=self.index.overlap_tokens,
            context_tokens=self.index.context_tokens,
        )

    def _sentences(self, document: LoadedDocument, spans: list[ChunkSpan]) -> list[str]:
        """Returns what a model wrote about each chunk, as much as its room holds."""
        if self.index.context_model is None or not spans:
            return [""] * len(spans)
        if self._situate is None:
            raise AnswerError(
                "this search index needs sentences of context, and nobody writes them"
            )
        asks = asks_of(document, spans, self.index.context_model)
        written = self._situate(asks)
        # One token of the room is the line break's.
        return [fit(written[one.key], self.index.context_tokens - 1, self._count) for one in asks]

    def _count(self, text: str) -> int:
        return len(self._embedder.token_starts(text))

    def embed(
        self, batch: Sequence[Prepared], progress: Progress | None = None
    ) -> tuple[dict[bytes, HalfVector], int]:
        """Returns the embedding of each text by its hash, and how many the model had to embed.

        Texts that a search index of the collection with the same model holds are not embedded
        again. Raises EmbeddingError when the model fails.
        """
        texts = dict(pair for one in batch for pair in zip(one.hashes, one.texts, strict=True))
        vectors = self._known(list(texts))
        unseen = [key for key in texts if key not in vectors]
        try:
            new = self._embedder.embed_documents([texts[key] for key in unseen], progress)
        except RuntimeError as error:
            raise EmbeddingError(f"the embedding model failed: {error}") from error
        vectors.update((key, HalfVector(row)) for key, row in zip(unseen, new, strict=True))
        return vectors, len(unseen)

    def _known(self, hashes: list[bytes]) -> dict[bytes, HalfVector]:
        parameters = {"index_ids": self.index.same_model_ids, "hashes": hashes}
        with self._database.connection() as connection:
            rows = connection.execute(queries.KNOWN_EMBEDDINGS, parameters).fetchall()
        return {bytes(key): embedding for key, embedding in rows}

    def store(
        self,
        connection: Connection,
        prepared: Prepared,
        document_id: int,
        document_version: int,
        vectors: dict[bytes, HalfVector],
    ) -> None:
        """Replaces the document's chunks; raises DocumentChanged when it has a newer version."""
        connection.execute(
            queries.REPLACE_CHUNKS,
            {
                "index_id": self.index.id,
                "document_id": document_id,
                "document_version": document_version,
                "starts": [span.start_char for span in prepared.spans],
                "ends": [span.end_char for span in prepared.spans],
                "contexts": prepared.contexts,
                "token_counts": [span.token_count for span in prepared.spans],
                "embeddings": [vectors[key] for key in prepared.hashes],
                "generated_chars": prepared.generated,
            },
        )

    def store_embedded(self, rows: Sequence[tuple[str, bytes, Any, LoadedDocument]]) -> list[str]:
        """Stores documents of one chunk each: (source, source hash, embedding, document).

        Returns for each whether it was "added" or "updated"; one statement, all or none.
        """
        documents = [document for *_, document in rows]
        parameters = {
            "index_id": self.index.id,
            "sources": [source for source, *_ in rows],
            "contents": [document.content for document in documents],
            "titles": [document.title for document in documents],
            "media_types": [document.media_type for document in documents],
            "metadata": [Jsonb(document.metadata) for document in documents],
            "source_hashes": [source_hash for _, source_hash, *_ in rows],
            "embeddings": [HalfVector(embedding) for _, _, embedding, _ in rows],
        }
        with self._database.connection() as connection:
            found = connection.execute(queries.PUT_EMBEDDED_DOCUMENTS, parameters).fetchall()
        return [outcome for (outcome,) in found]


def cut(
    document: LoadedDocument,
    embedder: Embedder,
    *,
    chunk_tokens: int,
    overlap_tokens: int = 0,
    context_tokens: int = 0,
) -> list[ChunkSpan]:
    """Returns the document's chunks, `context_tokens` of each kept free."""
    return chunk_text(
        document.content,
        title=document.title,
        media_type=document.media_type,
        token_starts=embedder.token_starts(document.content),
        count_tokens=lambda text: len(embedder.token_starts(text)),
        max_tokens=min(chunk_tokens, embedder.max_tokens) - context_tokens,
        overlap_tokens=overlap_tokens,
    )


def _joined(context: str, sentence: str) -> str:
    return f"{context}\n{sentence}" if context and sentence else context or sentence


def _with_title(title: str, context: str) -> str:
    """Returns what words are searched in: the title belongs to every chunk of a document.

    It is embedded with the first only: it makes vectors alike, but words tell documents apart.
    """
    line = " ".join(title.split())
    if not line or context.casefold().startswith(line.casefold()):
        return context
    between = "\n" if context.startswith(("|", "rows ")) else " > "
    return f"{line}{between}{context}" if context else line


# Search indexes --------------------------------------------------------------------------------


def register_model(connection: Connection, embedder: Embedder) -> int:
    """Returns the id of the embedder's model; raises ModelMismatch when it gives other vectors."""
    return _value(
        connection.execute(
            queries.ENSURE_EMBEDDING_MODEL,
            {
                "provider": embedder.provider,
                "name": embedder.name,
                "max_tokens": embedder.max_tokens,
                "probe": HalfVector(embedder.embed_documents([PROBE_TEXT])[0]),
            },
        )
    )


def ensure_index(
    database: Database,
    collection: str,
    embedder: Embedder,
    *,
    language: str = "english",
    chunk_tokens: int | None = None,
) -> SearchIndex:
    """Returns the active search index, made by this recipe when the collection has none.

    Raises ModelMismatch when it was built with another model than the embedder's.
    """
    with database.connection() as connection:
        index_id = _value(
            connection.execute(
                queries.ENSURE_SEARCH_INDEX,
                {
                    "collection": collection,
                    "embedding_model_id": register_model(connection, embedder),
                    "chunk_tokens": tokens_of_chunk(chunk_tokens, embedder),
                    "overlap_tokens": 0,
                    "language": language,
                },
            )
        )
    return search_index(database, index_id)


def create_index(
    database: Database,
    collection: str,
    embedder: Embedder,
    *,
    chunk_tokens: int | None = None,
    overlap_tokens: int = 0,
    language: str = "english",
    context_model: str | None = None,
) -> SearchIndex:
    """Makes another search index of the collection, to be filled by a worker, and returns it.

    With a `context_model` that language model writes a sentence of context per chunk.
    """
    chunk_tokens = tokens_of_chunk(chunk_tokens, embedder)
    with database.connection() as connection:
        index_id = _value(
            connection.execute(
                queries.CREATE_SEARCH_INDEX,
                {
                    "collection": collection,
                    "embedding_model_id": register_model(connection, embedder),
                    "chunk_tokens": chunk_tokens,
                    "overlap_tokens": overlap_tokens,
                    "language": language,
                    "context_model": context_model,
                    "context_tokens": tokens_of_context(chunk_tokens) if context_model else 0,
                },
            )
        )
    return search_index(database, index_id)


def tokens_of_chunk(wanted: int | None, embedder: Embedder) -> int:
    """Returns how many tokens a chunk may have: as wanted, within the model's window."""
    return min(wanted or DEFAULT_CHUNK_TOKENS, embedder.max_tokens)


def tokens_of_context(chunk_tokens: int) -> int:
    """Returns how many of them are kept free for a sentence of context: a quarter at most."""
    return min(CONTEXT_TOKENS, chunk_tokens // 4)


def refresh(database: Database, index_id: int) -> None:
    """Builds and counts what ranking needs, also what an interrupted ingest left undone."""
    with database.connection() as connection:
        connection.execute(queries.REFRESH_SEARCH_INDEX, {"index_id": index_id})


def _value(cursor: Any) -> int:
    return int(cursor.fetchone()[0])


# The worker ------------------------------------------------------------------------------------


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
    version: int
    source: str
    title: str
    media_type: str
    content: str
    page_starts: list[int]

    def document(self) -> LoadedDocument:
        """Returns it as a loader would."""
        return LoadedDocument(self.title, self.content, self.media_type, {})


@dataclass(slots=True)
class Worker:
    """Indexes what waits in `ragpg.ingest_queue`; any number of workers share the work.

    A document is claimed by an advisory lock of the worker's own session: killed, it gives
    everything back at once. One whose chunking, embedding or storing fails backs off with its
    error and holds up no other.
    """

    database: Database
    embedder_for: Callable[[SearchIndex], Embedder]
    default_embedder: Embedder
    collection: str | None = None
    index_id: int | None = None
    on_progress: Callable[[WorkReport], None] | None = None
    situate_for: Callable[[SearchIndex], Situate | None] = lambda index: None
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
                with self._session() as session:
                    session.execute("listen ragpg_documents")
                    pause = 1.0
                    while not stop.is_set():
                        self._drain(session, stop)
                        _wait(session, stop, poll_seconds)
            except ConnectionFailed:
                stop.wait(pause)
                pause = min(pause * 2, 30.0)
        return self.report

    def drain(self) -> WorkReport:
        """Indexes all that waits and may be tried now, then returns."""
        with self._session() as session:
            self._drain(session, threading.Event())
        return self.report

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """Yields a connection of its own: claims and notifications belong to a session."""
        connection = connect(self.database.url, autocommit=True)
        try:
            if self.database.tenant is not None:
                connection.execute(queries.SET_SESSION_TENANT, {"tenant": self.database.tenant})
            yield connection
        except (ConnectionFailed, RagpgError):
            raise
        except Exception as error:
            raise _translated(error) from error
        finally:
            connection.close()

    def _drain(self, session: Connection, stop: threading.Event) -> None:
        self._make_indexes()
        while not stop.is_set() and (claims := self._claim(session)):
            started = time.monotonic()
            for index_id, group in groupby(claims, key=lambda claim: claim.index_id):
                self._index(session, index_id, list(group))
            self.report.seconds += time.monotonic() - started
            if time.monotonic() - self._refreshed > _REFRESH_SECONDS:
                self._refresh()
        self._refresh()

    def _make_indexes(self) -> None:
        """Makes the search index of collections that only SQL has written to."""
        if self.index_id is not None:
            return
        parameters = {"collection": self.collection}
        with self.database.connection() as connection:
            rows = connection.execute(queries.COLLECTIONS_WITHOUT_INDEX, parameters).fetchall()
        for (name,) in rows:
            ensure_index(self.database, name, self.default_embedder)

    def _claim(self, session: Connection) -> list[Claim]:
        parameters = {"collection": self.collection, "index_id": self.index_id}
        with session.cursor(row_factory=class_row(Claim)) as cursor:
            claims = cursor.execute(queries.CLAIM_DOCUMENTS, parameters).fetchall()
        return sorted(claims, key=lambda claim: claim.index_id)

    def _index(self, session: Connection, index_id: int, claims: list[Claim]) -> None:
        prepared: list[tuple[Claim, Prepared]] = []
        for claim in claims:
            try:
                prepared.append((claim, self._indexer(index_id).prepare(claim.document())))
            except ConnectionFailed:
                raise
            except Exception as error:  # whatever a document does to the chunker is its own matter
                self._release(session, claim, error)
        if prepared:
            self._write(session, self._indexer(index_id), prepared)

    def _indexer(self, index_id: int) -> Indexer:
        if index_id not in self._indexers:
            index = search_index(self.database, index_id)
            self._indexers[index_id] = Indexer(
                self.database, index, self.embedder_for(index), self.situate_for(index)
            )
        return self._indexers[index_id]

    def _write(
        self, session: Connection, indexer: Indexer, batch: list[tuple[Claim, Prepared]]
    ) -> None:
        try:
            vectors, embedded = indexer.embed([prepared for _, prepared in batch])
        except ConnectionFailed:
            raise
        except Exception as error:
            if len(batch) == 1:
                self._release(session, batch[0][0], error)
            for one in batch if len(batch) > 1 else ():  # which of them is it?
                self._write(session, indexer, [one])
            return
        self.report.chunks_embedded += embedded
        self.report.chunks_reused += sum(len(one.spans) for _, one in batch) - embedded
        for claim, prepared in batch:
            self._store(session, indexer, claim, prepared, vectors)

    def _store(
        self,
        session: Connection,
        indexer: Indexer,
        claim: Claim,
        prepared: Prepared,
        vectors: dict[bytes, HalfVector],
    ) -> None:
        try:
            with self.database.connection() as connection:
                indexer.store(connection, prepared, claim.document_id, claim.version, vectors)
        except ConnectionFailed:
            raise
        except DocumentChanged:  # or deleted: the newer version waits in its turn
            self._release(session, claim)
        except RagpgError as error:
            self._release(session, claim, error)
        else:
            self.report.indexed += 1
            self._touched.add(claim.index_id)
            self._release(session, claim)

    def _release(self, session: Connection, claim: Claim, error: Exception | None = None) -> None:
        if error is not None:
            self.report.failed += 1
        session.execute(
            queries.RELEASE_DOCUMENT,
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
            refresh(self.database, index_id)
        self._touched.clear()
        self._refreshed = time.monotonic()


def _translated(error: Exception) -> Exception:
    import psycopg

    return translate(error) if isinstance(error, psycopg.Error) else error


def _wait(session: Connection, stop: threading.Event, seconds: float) -> None:
    """Waits until documents were written, the seconds have passed or stop is set."""
    until = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < until:
        if any(True for _ in session.notifies(timeout=0.2, stop_after=1)):
            return
