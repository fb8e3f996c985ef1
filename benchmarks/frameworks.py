"""What does a framework's user get with ragpg's adapter, beside the framework's own Postgres store?

    python -m benchmarks.frameworks ../shared/data     # writes frameworks.json

The same rows, embeddings, questions and filters as filters.py, on one server in one run, through
the framework's own interface; recall@10 is held against brute force. In an environment of its own:

    pip install -e '.[langchain]' langchain-postgres
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


class Ragpg(LangchainStore):
    name = "ragpg: RagpgVectorStore"

    def __init__(self, url: str) -> None:
        super().__init__()
        from ragpg.integrations.langchain import RagpgVectorStore

        migrate(url)
        self.store = RagpgVectorStore(self.embeddings, connection=url)


class PGVector(LangchainStore):
    name = "langchain-postgres: PGVector (no index)"

    def __init__(self, url: str) -> None:
        super().__init__()
        from langchain_postgres import PGVector as Store

        connection = stores.sqlalchemy_url(url, "psycopg")
        self.store = Store(self.embeddings, connection=connection, embedding_length=DIMENSIONS)


class PGVectorStore(LangchainStore):
    name = "langchain-postgres: PGVectorStore, HNSW"

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


STORES: tuple[Any, ...] = (Ragpg, PGVectorStore, PGVector)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    given = parser.parse_args()
    console = Console(width=150)
    rows, questions = workload.read(given.data, given.rows, given.questions, given.cache)
    asked = filters.shares(questions)
    loaded = {}
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            for make in STORES:
                store, loaded[make.__name__] = stores.load(url, rows, make, console)
                for case, each in asked.items():
                    results.setdefault(case, {})[store.name] = filters.measure(store, rows, each)
        finally:
            embedded.stop(Path(home))
    Path(__file__).with_suffix(".json").write_text(json.dumps(results | loaded, indent=2) + "\n")
    filters.show(results, console)


if __name__ == "__main__":
    main()
