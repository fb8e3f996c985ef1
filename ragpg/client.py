"""The Python API: connect() and Client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pgvector import HalfVector
from psycopg.rows import dict_row

from ragpg import queries, settings
from ragpg.answer import answering
from ragpg.collection import Collection
from ragpg.database import embedded
from ragpg.database.connection import Database, has_schema, migrate
from ragpg.errors import BadArgument, EmbeddingError, ModelMismatch
from ragpg.evaluation import drafting, evaluating
from ragpg.evaluation.evaluating import Difference
from ragpg.indexing import context_batches, indexer, situating
from ragpg.indexing.adding import AddProgress
from ragpg.indexing.indexer import Indexer, Situate, Worker, WorkReport
from ragpg.indexing.situating import ContextEstimate, Situator
from ragpg.inspection import health
from ragpg.models import encoder
from ragpg.models.calls import Budget, Usage, prices_of, require_client
from ragpg.models.embedding import PROBE_TEXT, Embedder, SentenceTransformerEmbedder, open_embedder
from ragpg.models.reranking import Reranker
from ragpg.search import searching
from ragpg.search.searching import SearchIndex


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
    read_only: bool = False,
    tenant: str | None = None,
) -> Client:
    """Returns a client of the given database, the one the environment names, or the embedded one.

    `embedder` replaces the configured model; `anthropic_client` (any client of the anthropic SDK,
    Bedrock's and Vertex's too) replaces the one made from ANTHROPIC_API_KEY. With
    `embed_in_database` questions are embedded by the database where it holds the model, so that
    the model is not loaded here. With `read_only` nothing can be written, answers not stored
    (`Collection.ask` then needs `store=False`). `tenant`, by default RAGPG_TENANT, is whose rows
    are read and written where tenants are kept apart (docs/tenants.md); NoTenant is raised where
    the role may not act for it. Raises SchemaError, saying what to run, when the database's schema
    is missing, older or newer than this ragpg.
    """
    config = settings.from_environment(database_url)
    database = Database(
        server_url(config),
        max_size=max_connections,
        read_only=read_only,
        tenant=tenant or config.tenant,
    )
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
        self.embedder: Embedder = embedder or open_embedder(config.embedding_model)
        self._anthropic_client = anthropic_client
        self._embed_in_database = embed_in_database
        self._embedders: dict[int, Embedder] = {}
        self._rerankers: dict[str, Reranker] = {}
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

    def health(self) -> dict[str, list[dict[str, Any]]]:
        """Returns problems (empty: all is well), lag and indexes, rows of the views of health."""
        return health.health(self.database)

    def metrics(self) -> str:
        """Returns the health as OpenMetrics text, for a scraper."""
        return health.metrics(self.database)

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
        name = name or self.settings.embedding_model
        if open_embedder(name).provider != SentenceTransformerEmbedder.provider:
            raise EmbeddingError(
                f'"{name}" is hosted, so the database cannot run it: SQL searches by words, or '
                "with a query_embedding"
            )
        exact = SentenceTransformerEmbedder(name, exact=True)
        probe = HalfVector(exact.embed_documents([PROBE_TEXT])[0])
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

    def embed_query(self, collection: str, query: str, index_id: int | None = None) -> Any:
        """Returns the query's embedding; None when the database shall make it, or has no index.

        Raises ModelMismatch when the configured model is not the collection's.
        """
        index = (
            searching.active_index(self.database, collection)
            if index_id is None
            else searching.search_index(self.database, index_id)
        )
        if index is None or (self._embed_in_database and index.in_database):
            return None
        embedder = self.embedder_for(index)
        with self._model_lock:  # tokenizers and models are not all thread-safe
            return embedder.embed_query(searching.clean_query(query))

    def embedder_for(self, index: SearchIndex) -> Embedder:
        """Returns the embedder of a search index: the configured one, or one of its model's name.

        Raises ModelMismatch when there is none that gives the embeddings the index was built with.
        """
        with self._model_lock:
            if index.id not in self._embedders:
                embedder = self._open(index)
                searching.check_model(index, embedder)
                self._embedders[index.id] = embedder
            return self._embedders[index.id]

    def _open(self, index: SearchIndex) -> Embedder:
        known = [self.embedder, *self._embedders.values()]
        same = [one for one in known if (one.provider, one.name) == (index.provider, index.name)]
        named = open_embedder(index.name)
        if not same and named.provider == index.provider:
            return named
        return same[0] if same else self.embedder

    def reranker(self, name: str) -> Reranker:
        """Returns the cross-encoder of that name; it stays loaded."""
        return self._rerankers.setdefault(name, Reranker(name))

    def worker(self, collection: str | None = None, index_id: int | None = None) -> Worker:
        """Returns a worker for what waits in `ragpg.ingest_queue`, of everything or of one."""
        worker = Worker(self.database, self.embedder_for, self.embedder, collection, index_id)
        worker.situate_for = self._situate_for
        return worker

    def _situate_for(self, index: SearchIndex) -> Situate | None:
        return None if index.context_model is None else self._situator(index, Budget()).write

    def _situator(self, index: SearchIndex, budget: Budget) -> Situator:
        assert index.context_model is not None
        client = self.anthropic_client()
        return Situator(self.database, index.collection, index.context_model, client, budget)

    def anthropic_client(self) -> Any:
        """Returns the client that answers, None without an API key."""
        with self._model_lock:
            if self._anthropic_client is None and self.settings.anthropic_api_key:
                self._anthropic_client = answering.make_client(
                    api_key=self.settings.anthropic_api_key,
                    base_url=self.settings.anthropic_base_url,
                )
            return self._anthropic_client

    # Search indexes

    def search_indexes(self) -> list[dict[str, Any]]:
        """Returns the rows of the view index_health."""
        with self.database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(queries.SEARCH_INDEXES).fetchall()

    def measure_recall(
        self, collection: str = "default", *, k: int = 10, queries: int = 100
    ) -> dict[str, Any]:
        """Returns what share of the k nearest chunks the vector index finds, and keeps it."""
        return health.measure_recall(self.database, collection, k=k, queries_asked=queries)

    def tune_ef_search(
        self, collection: str = "default", *, recall: float = 0.98, k: int = 10, queries: int = 100
    ) -> dict[str, Any]:
        """Stores the smallest ef_search that reaches the recall; returns its measurement."""
        return health.tune_ef_search(
            self.database, collection, recall=recall, k=k, queries_asked=queries
        )

    def estimate_contexts(self, index_id: int, *, batch: bool = False) -> ContextEstimate:
        """Returns what the sentences a contextual search index lacks will take; asks nothing."""
        index = searching.search_index(self.database, index_id)
        if index.context_model is None:
            raise BadArgument(f"search index {index_id} takes no sentences of context")
        situator = Situator(self.database, index.collection, index.context_model, None)
        prices = prices_of(self.database, index.context_model)
        return situating.estimate(situator, self._waiting_asks(index), prices, batch=batch)

    def write_contexts(
        self,
        index_id: int,
        budget: Budget | None = None,
        *,
        batch: bool = False,
        poll_seconds: float = 60.0,
        progress: situating.Progress | None = None,
    ) -> Usage:
        """Has the sentences written that a contextual search index lacks; returns what it took.

        Each is stored as it comes: interrupted, the next call goes on. With `batch` through the
        Message Batches API. Raises CapReached where the budget ends, AnswerError when there is no
        API key or the API fails.
        """
        index = searching.search_index(self.database, index_id)
        budget = budget or Budget()
        if index.context_model is None:
            return budget.spent
        situator = self._situator(index, budget)
        blocks = self._waiting_asks(index)
        if batch:
            require_client(situator.client, situating.DOING)
            context_batches.run_batches(
                situator, blocks, poll_seconds=poll_seconds, progress=progress
            )
            return budget.spent
        for done, total, asks in blocks:
            situator.write(asks)
            if progress:
                progress(done, total)
        return budget.spent

    def _waiting_asks(self, index: SearchIndex) -> Iterator[situating.Block]:
        assert index.context_model is not None
        indexer = Indexer(self.database, index, self.embedder_for(index))
        return situating.waiting_asks(
            self.database, index.collection, index.id, index.context_model, indexer.cut
        )

    def context_costs(self, collection: str = "default") -> list[dict[str, Any]]:
        """Returns the rows of the view context_costs: sentences of context, tokens, cost."""
        parameters = {"collection": collection}
        with self.database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(queries.CONTEXT_COSTS, parameters).fetchall()

    def fill_index(self, index_id: int, progress: AddProgress | None = None) -> WorkReport:
        """Indexes all that waits for a search index and makes it ready to be activated.

        Sentences of context that are not written are asked for without a cap: `write_contexts`
        before it has one.
        """
        searching.search_index(self.database, index_id)  # raises when there is none
        worker = self.worker(index_id=index_id)
        total = next(
            row["pending_documents"] for row in self.search_indexes() if row["index_id"] == index_id
        )

        def listen(done: WorkReport) -> None:
            if progress:
                progress(
                    documents=done.indexed + done.failed, total=total, chunks=done.chunks_embedded
                )

        worker.on_progress = listen
        report = worker.drain()
        indexer.refresh(self.database, index_id)
        return report

    # Evaluation

    def feedback(
        self, answer_id: int, rating: str, *, corrected_text: str | None = None, comment: str = ""
    ) -> int:
        """Stores what a person thinks of an answer, good or bad; returns the feedback's id."""
        parameters = {
            "answer_id": answer_id,
            "rating": rating,
            "corrected_text": corrected_text,
            "comment": comment,
        }
        with self.database.connection() as connection:
            row = connection.execute(queries.FEEDBACK, parameters).fetchone()
        assert row is not None
        return int(row[0])

    def evaluation_failures(self, run_id: int) -> list[dict[str, Any]]:
        """Returns the questions a run missed and why: rows of the view evaluation_failures."""
        return evaluating.rows(self.database, queries.EVALUATION_FAILURES, run_id=run_id)

    def compare_evaluations(self, first: int, second: int) -> list[Difference]:
        """Returns what the second run did better or worse than the first, one row a measure."""
        return evaluating.compare_runs(self.database, first, second)

    def calibrate(
        self, run_id: int, *, keep: float = 0.95, store: bool = True
    ) -> evaluating.Calibration:
        """Chooses the similarity below which `ask` abstains, by `ragpg.calibrate`."""
        return evaluating.calibrate(self.database, run_id, keep=keep, store=store)

    def moved_questions(self, first: int, second: int) -> list[dict[str, Any]]:
        """Returns the questions whose nDCG differs between two runs, most first."""
        return evaluating.rows(self.database, queries.MOVED_QUESTIONS, first=first, second=second)

    def accept_draft(self, draft_id: int) -> None:
        """Makes a drafted question one of its evaluation set; BadArgument when that has it."""
        drafting.accept(self.database, draft_id)

    def reject_draft(self, draft_id: int) -> None:
        """Drops a drafted question from those that wait, and its passage from further drafting."""
        drafting.reject(self.database, draft_id)

    def activate_index(self, index_id: int, *, incomplete: bool = False) -> None:
        """Lets a search index answer for its collection from now on, atomically.

        Raises SearchIndexError when documents wait for it, unless `incomplete`.
        """
        parameters = {"index_id": index_id, "incomplete": incomplete}
        with self.database.connection() as connection:
            connection.execute(queries.ACTIVATE_SEARCH_INDEX, parameters)

    def drop_index(self, index_id: int) -> None:
        """Drops a search index with its chunks; raises SearchIndexError when it is active."""
        with self.database.connection() as connection:
            connection.execute(queries.DROP_SEARCH_INDEX, {"index_id": index_id})

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
