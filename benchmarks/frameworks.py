"""What does a framework's user get with ragpg's adapter, beside the framework's own Postgres store?

    python -m benchmarks.frameworks ../shared/data     # writes frameworks.json

The same rows, embeddings, questions and filters as filters.py, on one server in one run, through
the framework's own interface; recall@10 is held against brute force. In an environment of its own:

    pip install -e '.[langchain,llamaindex,haystack]' langchain-postgres \\
        llama-index-vector-stores-postgres pgvector-haystack
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from rich.console import Console

from benchmarks import filters, stores, workload
from benchmarks.workload import DIMENSIONS, Condition, Found, Question, Rows, slices
from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.models import PROBE_TEXT


class Given(Embeddings):
    """Gives texts the embeddings that they have in the workload."""

    model = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self.known: dict[str, list[float]] = {PROBE_TEXT: [1.0] * DIMENSIONS}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.known[text]


class LangchainStore:
    """What both stores of LangChain are asked by; embeddings are told beforehand."""

    store: Any

    def __init__(self) -> None:
        self.embeddings = Given()

    def write(self, rows: Rows) -> None:
        for slice_ in slices(len(rows.keys)):
            texts = [
                f"{key} {text}"
                for key, text in zip(rows.keys[slice_], rows.texts[slice_], strict=True)
            ]
            vectors = rows.embeddings[slice_].tolist()
            self.embeddings.known.update(zip(texts, vectors, strict=True))
            self.store.add_texts(
                texts, [dict(one) for one in rows.metadata[slice_]], ids=rows.keys[slice_]
            )
            for text in texts:
                del self.embeddings.known[text]

    def index(self) -> None:
        """Nothing: the store has none, or makes its own."""

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        self.embeddings.known[question.text] = question.embedding.tolist()
        found = self.store.similarity_search(question.text, k=k, filter=stores.dictionary(where))
        return [str(document.id) for document in found]


class RagpgLangchain(LangchainStore):
    name = "LangChain: RagpgVectorStore"

    def __init__(self, url: str) -> None:
        super().__init__()
        from ragpg.integrations.langchain import RagpgVectorStore

        migrate(url)
        self.store = RagpgVectorStore(self.embeddings, connection=url)


class PGVector(LangchainStore):
    name = "LangChain: PGVector, which makes no index"

    def __init__(self, url: str) -> None:
        super().__init__()
        from langchain_postgres import PGVector as Store

        connection = stores.sqlalchemy_url(url, "psycopg")
        self.store = Store(self.embeddings, connection=connection, embedding_length=DIMENSIONS)


class PGVectorStore(LangchainStore):
    name = "LangChain: PGVectorStore, HNSW"

    def __init__(self, url: str) -> None:
        super().__init__()
        from langchain_postgres import Column, PGEngine
        from langchain_postgres import PGVectorStore as Store

        engine = PGEngine.from_connection_string(url=stores.sqlalchemy_url(url, "psycopg"))
        engine.init_vectorstore_table(
            "rows",
            DIMENSIONS,
            metadata_columns=[Column("part", "text")],
            id_column=Column("langchain_id", "text"),
        )
        self.store = Store.create_sync(engine, self.embeddings, "rows", metadata_columns=["part"])

    def index(self) -> None:
        from langchain_postgres.v2.indexes import HNSWIndex

        self.store.apply_vector_index(HNSWIndex())


class RagpgLlamaIndex(stores.LlamaIndex):
    name = "LlamaIndex: RagpgVectorStore"

    def __init__(self, url: str) -> None:
        from ragpg.integrations.llamaindex import RagpgVectorStore

        migrate(url)
        self.store = RagpgVectorStore(url, "rows", embed_dim=DIMENSIONS)

    def index(self) -> None:
        """Nothing: `add` builds it."""


class LlamaIndexHnsw(stores.LlamaIndex):
    name = "LlamaIndex: PGVectorStore, HNSW"

    def index(self) -> None:
        """Makes the index, and queries use it, as the framework's page on Postgres says."""
        from llama_index.vector_stores.postgres import PGVectorStore

        self.store = PGVectorStore(
            connection_string=stores.sqlalchemy_url(self.url, "psycopg2"),
            async_connection_string=stores.sqlalchemy_url(self.url, "asyncpg"),
            table_name="rows",
            embed_dim=DIMENSIONS,
            hnsw_kwargs={
                "hnsw_m": 16,
                "hnsw_ef_construction": 64,
                "hnsw_ef_search": 40,
                "hnsw_dist_method": "vector_cosine_ops",
            },
        )
        self.store._initialize()


class RagpgHaystack(stores.Haystack):
    name = "Haystack: RagpgDocumentStore"

    def __init__(self, url: str) -> None:
        from haystack.utils import Secret

        from ragpg.integrations.haystack import RagpgDocumentStore

        migrate(url)
        self.store = RagpgDocumentStore(
            connection_string=Secret.from_token(url),
            collection_name="rows",
            embedding_dimension=DIMENSIONS,
        )

    def index(self) -> None:
        from ragpg.integrations.haystack import RagpgEmbeddingRetriever

        self.retriever = RagpgEmbeddingRetriever(document_store=self.store)


class HaystackHnsw(stores.Haystack):
    name = "Haystack: PgvectorDocumentStore, HNSW"


STORES: tuple[Any, ...] = (
    *(RagpgLlamaIndex, LlamaIndexHnsw),
    *(RagpgHaystack, HaystackHnsw),
    *(RagpgLangchain, PGVectorStore, PGVector),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--only", default="", help="one framework; the others' figures are kept")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    given = parser.parse_args()
    console = Console(width=150)
    rows, questions = workload.read(given.data, given.rows, given.questions, given.cache)
    written_to = Path(__file__).with_suffix(".json")
    results = json.loads(written_to.read_text()) if given.only else {}
    asked = filters.shares(questions)
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            for make in (one for one in STORES if one.name.startswith(given.only)):
                store, written = stores.load(url, rows, make, console)
                found = {case: filters.measure(store, rows, each) for case, each in asked.items()}
                results[store.name] = found | written
                written_to.write_text(json.dumps(results, indent=2) + "\n")
        finally:
            embedded.stop(Path(home))
    filters.show(
        {case: {name: one[case] for name, one in results.items()} for case in asked}, console
    )


if __name__ == "__main__":
    main()
