"""The vector stores that filters.py, search.py and scale.py compare, all on the same Postgres.

Each is used as its documentation says, with its default settings and its own HNSW index (m 16,
ef_construction 64, cosine), through its own synchronous Python interface.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import psycopg
from rich.console import Console

import ragpg
from benchmarks.prepared import PreparedQuery
from benchmarks.workload import DIMENSIONS, Condition, Found, Question, Rows, slices
from ragpg.models import GivenEmbedder


class Store(Protocol):
    name: str

    def write(self, rows: Rows) -> None:
        """Stores the rows, without a vector index."""

    def index(self) -> None:
        """Builds the vector index."""

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        """Returns the nearest rows; only those that pass, if given."""


def database(url: str, name: str) -> str:
    """Returns the URL of a new, empty database with pgvector on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        made = psycopg.conninfo.make_conninfo(url, dbname=name)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("create extension vector")
    return made


def sqlalchemy_url(url: str, driver: str) -> str:
    """Returns the URL of a database behind a Unix socket, for SQLAlchemy."""
    part = psycopg.conninfo.conninfo_to_dict(url)
    return f"postgresql+{driver}://{part['user']}@/{part['dbname']}?host={part['host']}"


def load(
    url: str, rows: Rows, make: Callable[[str], Store], console: Console
) -> tuple[Store, dict[str, float]]:
    """Returns a store with the rows in it, and how long that took."""
    store = make(database(url, f"rows_{make.__name__.lower()}"))
    write, _ = timed(store.write, rows)
    index, _ = timed(store.index)
    console.print(f"{store.name}: {len(rows.keys) / write:,.0f} rows/s, index in {index:.0f} s")
    return store, {"rows a second": len(rows.keys) / write, "index seconds": index}


def dictionary(where: Condition | None) -> Any:
    """Returns the condition as ragpg, LangChain and vecs take it."""
    if where is None:
        return None
    return {where.key: {"$eq" if where.operator == "==" else "$lt": where.value}}


class Ragpg:
    name = "ragpg"

    def __init__(self, url: str, dimensions: int = DIMENSIONS) -> None:
        from ragpg.database.migrations import migrate

        migrate(url)
        # Every row and question brings its embedding: no model is loaded.
        self.client = ragpg.connect(url, embedder=GivenEmbedder("workload", dimensions))
        self.collection = self.client.collection("rows")
        self.mode: Any = "vector"

    def write(self, rows: Rows) -> None:
        self.collection.add(
            records=[
                {"text": text, "source": key, "metadata": metadata, "embedding": embedding}
                for text, key, metadata, embedding in zip(
                    rows.texts, rows.keys, rows.metadata, rows.embeddings, strict=True
                )
            ]
        )

    def index(self) -> None:
        pass  # `add` builds it after the first load

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        hits = self.collection.search(
            question.text,
            k,
            filter=dictionary(where),
            mode=self.mode,
            query_embedding=question.embedding,
        )
        return [hit.source for hit in hits]


class Langchain:
    name = "LangChain PGVectorStore"

    def __init__(self, url: str) -> None:
        from langchain_core.embeddings import Embeddings
        from langchain_postgres import Column, PGEngine, PGVectorStore

        class Given(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                raise AssertionError("every row and question brings its embedding")

            def embed_query(self, text: str) -> list[float]:
                raise AssertionError("every row and question brings its embedding")

        engine = PGEngine.from_connection_string(url=sqlalchemy_url(url, "psycopg"))
        self.engine, self.embeddings = engine, Given()
        self.Column, self.Store = Column, PGVectorStore

    def write(self, rows: Rows) -> None:
        columns = [
            self.Column(key, "integer" if isinstance(value, int) else "text")
            for key, value in rows.metadata[0].items()
        ]
        self.engine.init_vectorstore_table(
            "rows",
            DIMENSIONS,
            metadata_columns=columns,
            id_column=self.Column("langchain_id", "text"),
        )
        self.store = self.Store.create_sync(
            self.engine, self.embeddings, "rows", metadata_columns=[one.name for one in columns]
        )
        for slice_ in slices(len(rows.keys)):
            self.store.add_embeddings(
                rows.texts[slice_],
                rows.embeddings[slice_].tolist(),
                rows.metadata[slice_],
                ids=rows.keys[slice_],
            )

    def index(self) -> None:
        from langchain_postgres.v2.indexes import HNSWIndex

        self.store.apply_vector_index(HNSWIndex())

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        found = self.store.similarity_search_by_vector(
            question.embedding.tolist(), k=k, filter=dictionary(where)
        )
        return [str(document.id) for document in found]


class LlamaIndex:
    name = "LlamaIndex PGVectorStore"

    def __init__(self, url: str) -> None:
        from llama_index.vector_stores.postgres import PGVectorStore

        self.store = PGVectorStore(
            connection_string=sqlalchemy_url(url, "psycopg2"),
            async_connection_string=sqlalchemy_url(url, "asyncpg"),
            table_name="rows",
            embed_dim=DIMENSIONS,
        )
        self.url = url

    def write(self, rows: Rows) -> None:
        from llama_index.core.schema import TextNode

        for slice_ in slices(len(rows.keys)):
            self.store.add(
                [
                    TextNode(id_=key, text=text, metadata=metadata, embedding=embedding)
                    for key, text, metadata, embedding in zip(
                        rows.keys[slice_],
                        rows.texts[slice_],
                        rows.metadata[slice_],
                        rows.embeddings[slice_].tolist(),
                        strict=True,
                    )
                ]
            )

    def index(self) -> None:
        with psycopg.connect(
            self.url, autocommit=True
        ) as connection:  # its `hnsw_kwargs` does this
            connection.execute(
                "create index on data_rows using hnsw (embedding vector_cosine_ops)"
                " with (m = 16, ef_construction = 64)"
            )

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        from llama_index.core.vector_stores.types import (
            FilterOperator,
            MetadataFilter,
            MetadataFilters,
            VectorStoreQuery,
        )

        filters = None
        if where:
            operator = FilterOperator.EQ if where.operator == "==" else FilterOperator.LT
            one = MetadataFilter(key=where.key, value=where.value, operator=operator)
            filters = MetadataFilters(filters=[one])
        found = self.store.query(
            VectorStoreQuery(
                query_embedding=question.embedding.tolist(), similarity_top_k=k, filters=filters
            )
        )
        return list(found.ids or [])


class Haystack:
    name = "Haystack PgvectorDocumentStore"

    def __init__(self, url: str) -> None:
        from haystack.utils import Secret
        from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever
        from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

        def store(strategy: Any) -> Any:
            return PgvectorDocumentStore(
                connection_string=Secret.from_token(url),
                embedding_dimension=DIMENSIONS,
                table_name="rows",
                search_strategy=strategy,
                hnsw_recreate_index_if_exists=True,
            )

        self.store = store("exact_nearest_neighbor")
        self.make = store
        self.retriever: Any = None
        self.Retriever = PgvectorEmbeddingRetriever

    def write(self, rows: Rows) -> None:
        from haystack import Document

        for slice_ in slices(len(rows.keys)):
            self.store.write_documents(
                [
                    Document(id=key, content=text, meta=metadata, embedding=embedding)
                    for key, text, metadata, embedding in zip(
                        rows.keys[slice_],
                        rows.texts[slice_],
                        rows.metadata[slice_],
                        rows.embeddings[slice_].tolist(),
                        strict=True,
                    )
                ]
            )

    def index(self) -> None:
        self.store.close()
        self.store = self.make("hnsw")
        self.store._ensure_db_setup()
        self.retriever = self.Retriever(document_store=self.store)

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        only = None
        if where:
            field = f"meta.{where.key}"
            only = {"field": field, "operator": where.operator, "value": where.value}
        found = self.retriever.run(
            query_embedding=question.embedding.tolist(), top_k=k, filters=only
        )
        return [document.id for document in found["documents"]]


class Vecs:
    name = "vecs"

    def __init__(self, url: str) -> None:
        import vecs

        self.client = vecs.create_client(sqlalchemy_url(url, "psycopg2"))
        self.store = self.client.get_or_create_collection(name="rows", dimension=DIMENSIONS)

    def write(self, rows: Rows) -> None:
        for slice_ in slices(len(rows.keys)):
            self.store.upsert(
                [
                    (key, embedding, {**metadata, "text": text})
                    for key, embedding, metadata, text in zip(
                        rows.keys[slice_],
                        rows.embeddings[slice_],
                        rows.metadata[slice_],
                        rows.texts[slice_],
                        strict=True,
                    )
                ]
            )

    def index(self) -> None:
        from vecs import IndexArgsHNSW, IndexMeasure, IndexMethod

        self.store.create_index(
            method=IndexMethod.hnsw,
            measure=IndexMeasure.cosine_distance,
            index_arguments=IndexArgsHNSW(m=16, ef_construction=64),
        )

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        return list(self.store.query(question.embedding, limit=k, filters=dictionary(where)))


STORES: tuple[Any, ...] = (Ragpg, PreparedQuery, Langchain, LlamaIndex, Haystack, Vecs)


def timed(call: Any, *given: Any) -> tuple[float, Any]:
    """Returns the seconds a call took, and what it returned."""
    started = time.perf_counter()
    result = call(*given)
    return time.perf_counter() - started, result
