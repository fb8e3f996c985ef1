"""The Python API: connect(), Client, Collection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pgvector import HalfVector
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from ragpg import (
    answering,
    embedded,
    encoder,
    ingesting,
    loading,
    queries,
    searching,
    settings,
    static_encoder,
)
from ragpg.answering import Answer
from ragpg.database import Database, has_schema, migrate
from ragpg.decoding import clean_text
from ragpg.embedding import PROBE_TEXT, Embedder, SentenceTransformerEmbedder
from ragpg.errors import BadArgument, EmbeddingError, ModelMismatch
from ragpg.ingesting import AddProgress, AddReport
from ragpg.searching import Hit, Mode
from ragpg.static_encoder import StaticEncoderReport


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document; `indexed` is whether searches see its newest version."""

    source: str
    title: str
    media_type: str
    metadata: dict[str, Any]
    version: int
    characters: int
    chunks: int | None
    indexed: bool
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None
    document_id: int


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """Whether the database embeds questions with `model` itself, and what was done or why not."""

    model: str
    loaded: bool
    reason: str


def connect(
    database_url: str | None = None,
    *,
    embedder: Embedder | None = None,
    anthropic_client: Any = None,
    embed_in_database: bool = False,
    max_connections: int = 10,
) -> Client:
    """Returns a client of the given database, the one the environment names, or the embedded one.

    `embedder` replaces the configured model; `anthropic_client` (any client of the anthropic SDK,
    Bedrock's and Vertex's too) replaces the one made from ANTHROPIC_API_KEY. With
    `embed_in_database` questions are embedded by the database where it holds the model, so that
    the model is not loaded here. Raises SchemaError, saying what to run, when the database's
    schema is missing, older or newer than this ragpg.
    """
    config = settings.from_environment(database_url)
    database = Database(server_url(config), max_size=max_connections)
    return Client(
        database,
        config,
        embedder=embedder,
        anthropic_client=anthropic_client,
        embed_in_database=embed_in_database,
    )


def server_url(config: settings.Settings) -> str:
    """Returns the database's URL; starts the embedded server and makes its schema if needed."""
    if config.database_url is not None:
        return config.database_url
    url = embedded.start(config.home)
    if not has_schema(url):  # new, or its first start was interrupted
        migrate(url)
    return url


class Client:
    """A database with ragpg's schema: thread-safe, a context manager that closes connections."""

    def __init__(
        self,
        database: Database,
        config: settings.Settings,
        *,
        embedder: Embedder | None = None,
        anthropic_client: Any = None,
        embed_in_database: bool = False,
    ) -> None:
        self.database = database
        self.settings = config
        self.embedder: Embedder = embedder or SentenceTransformerEmbedder(config.embedding_model)
        self._anthropic_client = anthropic_client
        self._embed_in_database = embed_in_database
        self._checked_indexes: set[int] = set()
        self._model_lock = threading.Lock()

    def collection(self, name: str = "default") -> Collection:
        """Returns the collection of that name; it is made by the first document added to it."""
        return Collection(self, name)

    def collections(self) -> list[dict[str, Any]]:
        """Returns the rows of the view collection_status."""
        with self.database.connection() as connection:
            return connection.cursor(row_factory=dict_row).execute(queries.COLLECTIONS).fetchall()

    def server(self) -> dict[str, Any]:
        """Returns the versions of Postgres and pgvector and the database's name."""
        with self.database.connection() as connection:
            found = connection.cursor(row_factory=dict_row).execute(queries.SERVER).fetchone()
        assert found is not None
        return found

    def drop_collection(self, name: str) -> int:
        """Drops a collection with everything in it; returns how many documents went."""
        with self.database.connection() as connection:
            row = connection.execute(queries.DROP_COLLECTION, {"collection": name}).fetchone()
        assert row is not None
        return int(row[0])

    def load_encoder(self, name: str | None = None) -> float:
        """Stores a model's weights, so that SQL embeds questions; returns the verified cosine.

        `name` is a sentence-transformers model of the BERT family, by default the configured one.
        Raises EmbeddingError, changing nothing, when the model cannot be computed in SQL or does
        not agree with itself in Python.
        """
        exact = SentenceTransformerEmbedder(name or self.settings.embedding_model, exact=True)
        probe = HalfVector(exact.embed_query(PROBE_TEXT))
        parameters = {
            "provider": exact.provider,
            "name": exact.name,
            "max_tokens": exact.max_tokens,
            "probe": probe,
        }
        with self.database.connection() as connection:  # one transaction
            row = connection.execute(queries.ENSURE_EMBEDDING_MODEL, parameters).fetchone()
            assert row is not None
            encoder.load_encoder(connection, row[0], exact.folder())
            cosine = encoder.verify_encoder(connection, row[0], exact)
            if cosine < 0.9999:
                raise EmbeddingError(
                    f'the database computes "{exact.name}" differently (cosine {cosine:.6f}): '
                    "nothing was changed"
                )
        return cosine

    def ensure_encoder(self) -> EncoderReport:
        """Makes the database hold the configured model where it can; says why where it cannot.

        Imports no model when it is there already.
        """
        name = self.settings.embedding_model.removeprefix("sentence-transformers/")
        if any(one["embedding_model"] == name and one["verified"] for one in self.encoders()):
            return EncoderReport(name, True, "it was in the database already")
        with self.database.connection() as connection:
            if connection.info.server_version < 160000:
                return EncoderReport(name, False, "computing it in SQL needs Postgres 16 or newer")
        try:
            cosine = self.load_encoder(name)
        except (EmbeddingError, ModelMismatch) as error:
            return EncoderReport(name, False, str(error))
        return EncoderReport(name, True, f"smallest cosine to the model in Python: {cosine:.7f}")

    def drop_encoder(self, name: str) -> bool:
        """Removes a model's weights; returns whether they were there."""
        found = [one for one in self.encoders() if one["embedding_model"] == name]
        with self.database.connection() as connection:
            for one in found:
                connection.execute(queries.DELETE_ENCODER, (one["embedding_model_id"],))
        return bool(found)

    def encoders(self) -> list[dict[str, Any]]:
        """Returns the rows of the view encoder_status."""
        with self.database.connection() as connection:
            return connection.cursor(row_factory=dict_row).execute(queries.ENCODERS).fetchall()

    def static_encoders(self) -> list[dict[str, Any]]:
        """Returns the rows of the view static_encoder_status."""
        with self.database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(queries.STATIC_ENCODERS).fetchall()

    def embed_query(self, collection: str, query: str) -> Any:
        """Returns the query's embedding; None when the database shall make it, or has no index.

        Raises ModelMismatch when the configured model is not the collection's.
        """
        index = searching.active_index(self.database, collection)
        if index is None or (self._embed_in_database and index.in_database):
            return None
        with self._model_lock:  # tokenizers and models are not all thread-safe
            if index.id not in self._checked_indexes:
                searching.check_model(index, self.embedder)
                self._checked_indexes.add(index.id)
            return self.embedder.embed_query(searching.clean_query(query))

    def anthropic_client(self) -> Any:
        """Returns the client that answers, None without an API key."""
        with self._model_lock:
            if self._anthropic_client is None and self.settings.anthropic_api_key:
                self._anthropic_client = answering.make_client(
                    api_key=self.settings.anthropic_api_key,
                    base_url=self.settings.anthropic_base_url,
                )
            return self._anthropic_client

    def close(self) -> None:
        """Closes the connections; the embedded server keeps running (ragpg db stop ends it)."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents that are searched together."""

    client: Client
    name: str

    def add(
        self,
        paths: str | Path | Sequence[str | Path] = (),
        *,
        text: str | None = None,
        source: str | None = None,
        title: str | None = None,
        media_type: str = "text/markdown",
        metadata: dict[str, Any] | None = None,
        records: Iterable[Mapping[str, Any]] = (),
        language: str = "english",
        chunk_tokens: int | None = None,
        progress: AddProgress | None = None,
    ) -> AddReport:
        """Makes the collection hold these documents as they are now, and returns what that took.

        `paths` are files, folders or globs; `text` with its `source` is one document; `records`
        are mappings with text, source and optionally title, media_type, metadata. Unchanged ones
        are skipped; each other one is replaced in one transaction; one that cannot be read is in
        the report's `failures`. `language` and `chunk_tokens` count when the collection is new.
        """
        started = time.monotonic()
        found = loading.find_files([paths] if isinstance(paths, (str, Path)) else paths)
        inputs, failures = _file_inputs(found)
        if text is not None:
            records = [
                *records,
                {
                    "text": text,
                    "source": source,
                    "title": title,
                    "media_type": media_type,
                    "metadata": metadata,
                },
            ]
        inputs += [_record_input(record) for record in records]
        return ingesting.add_documents(
            self.client.database,
            self.name,
            inputs,
            self.client.embedder,
            language=language,
            chunk_tokens=chunk_tokens,
            skipped=found.skipped,
            failures=failures,
            progress=progress,
            started=started,
        )

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        filter: str | None = None,
        mode: Mode = "hybrid",
        query_embedding: Any = None,
    ) -> list[Hit]:
        """Returns the k best chunks, best first, by `ragpg.search`.

        `filter` is a jsonpath predicate over metadata, such as `$.tier == "pro"`. The query is
        embedded by the collection's model unless `query_embedding` is given or mode is keyword.
        """
        if query_embedding is None and mode != "keyword" and query.strip():
            query_embedding = self.client.embed_query(self.name, query)
        return searching.search(
            self.client.database,
            self.name,
            query,
            k=k,
            filter=filter,
            mode=mode,
            query_embedding=query_embedding,
        )

    def ask(
        self,
        question: str,
        k: int = 8,
        *,
        filter: str | None = None,
        model: str | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Answer:
        """Returns an answer from the k best chunks, with citations to exact characters, stored.

        `on_text` hears the text as it is written. Abstains, without asking a model, when no hit
        reaches the search index's min_similarity. Without an API key the best passages are quoted.
        """
        hits = self.search(question, k, filter=filter)
        index = searching.active_index(self.client.database, self.name)
        floor = index.min_similarity if index else 0.0
        if not any(hit.similarity is None or hit.similarity >= floor for hit in hits):
            hits = []
        answer = answering.answer_question(
            question,
            hits,
            model=model or self.client.settings.answer_model,
            client=self.client.anthropic_client(),
            on_text=on_text,
        )
        return replace(answer, id=self._save(answer))

    def _save(self, answer: Answer) -> int:
        parameters = {
            "collection": self.name,
            "question": answer.question,
            "content": answer.text,
            "model": answer.model,
            "abstained": answer.abstained,
            "grounded": answer.grounded,
            "stop_reason": answer.stop_reason,
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "cache_read_tokens": answer.cache_read_tokens,
            "cache_creation_tokens": answer.cache_creation_tokens,
            "latency_ms": answer.latency_ms,
            "citations": Jsonb([asdict(citation) for citation in answer.citations]),
        }
        with self.client.database.connection() as connection:
            row = connection.execute(queries.SAVE_ANSWER, parameters).fetchone()
        assert row is not None
        return int(row[0])

    def fit_static_encoder(
        self,
        *,
        spans: int = static_encoder.SPANS,
        use: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> StaticEncoderReport:
        """Fits a quick approximation of the model to this collection's chunks, and measures it.

        With `use`, or when an earlier one was in use, searches in the database without an embedding
        use it from now on, if it agrees with the model. `progress` hears `texts` and `total`.
        """
        index = self._index()
        embedder = SentenceTransformerEmbedder(index.name)
        searching.check_model(index, embedder)
        return static_encoder.fit_static_encoder(
            self.client.database, self.name, embedder, spans=spans, use=use, progress=progress
        )

    def use_static_encoder(self, enabled: bool = True) -> None:
        """Switches between the static encoder and the model itself, for searches from SQL.

        Raises EncoderUnavailable when there is none or it agrees too little with the model.
        """
        with self.client.database.connection() as connection:
            connection.execute(queries.USE_STATIC_ENCODER, (self._index().id, enabled))

    def drop_static_encoder(self) -> bool:
        """Removes the static encoder; returns whether there was one."""
        with self.client.database.connection() as connection:
            row = connection.execute(queries.DELETE_STATIC_ENCODER, (self._index().id,)).fetchone()
        return row is not None

    def _index(self) -> searching.ActiveIndex:
        index = searching.active_index(self.client.database, self.name)
        if index is None:
            raise BadArgument(f'"{self.name}" has no document yet: ragpg add')
        return index

    def delete(self, source: str) -> bool:
        """Deletes a document with its chunks; returns whether there was one."""
        parameters = {"collection": self.name, "source": source}
        with self.client.database.connection() as connection:
            row = connection.execute(queries.DELETE_DOCUMENT, parameters).fetchone()
        return bool(row and row[0])

    def documents(self) -> list[DocumentInfo]:
        """Returns the collection's documents, by source."""
        with (
            self.client.database.connection() as connection,
            connection.cursor(row_factory=class_row(DocumentInfo)) as cursor,
        ):
            return cursor.execute(queries.DOCUMENTS, {"collection": self.name}).fetchall()


def _record_input(record: Mapping[str, Any]) -> ingesting.Input:
    text, source = record.get("text"), record.get("source")
    if not isinstance(text, str) or not isinstance(source, str) or not source.strip():
        raise BadArgument(
            "a document given as text needs text and source: "
            'add(text="...", source="what identifies it")'
        )
    return ingesting.text_input(
        text,
        clean_text(source),
        record.get("title"),
        record.get("media_type") or "text/markdown",
        record.get("metadata"),
    )


def _file_inputs(
    found: loading.FoundFiles,
) -> tuple[list[ingesting.Input], list[ingesting.Failure]]:
    inputs, failures = [], []
    for name, path in found.files:
        source = clean_text(name)
        try:
            inputs.append(
                ingesting.Input(
                    source,
                    ingesting.fingerprint(path.suffix.lower(), path.read_bytes()),
                    partial(loading.load_path, path),
                )
            )
        except OSError as error:
            failures.append(ingesting.Failure(source, f"{source} cannot be read: {error.strerror}"))
    return inputs, failures
