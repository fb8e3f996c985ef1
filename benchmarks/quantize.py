"""What does a vector index of bits give up, and what does it save?

    python -m benchmarks.quantize ../shared/data --rows 1000000      # writes quantize.json

The same rows in ragpg and in a table by hand on one server (stores.py); each is asked with its
vector index of whole embeddings (halfvec), then with one of a bit of each number, whose nearest are
ordered by the embeddings: recall@10 against brute force, median and 95th percentile of a search by
vectors, bytes of the vector index and the seconds it took to build. `--dimensions 1536` turns the
embeddings, which have 384 numbers, into as many by a random rotation: similarities stay.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from rich.console import Console
from rich.table import Table

from benchmarks import stores, workload
from benchmarks.workload import DIMENSIONS, Question, Rows
from ragpg.database import embedded
from ragpg.models import HalfVector

K = 10
Search = Callable[[Question], list[str]]


def widened(rows: Rows, questions: Sequence[Question], to: int) -> tuple[Rows, list[Question]]:
    """Returns both with embeddings of so many numbers that are as similar as before."""
    if to == DIMENSIONS:
        return rows, list(questions)
    drawn = np.random.default_rng(1).normal(size=(to, DIMENSIONS))
    turn = np.linalg.qr(drawn)[0].T.astype(np.float32)  # (384, to), orthonormal rows
    embeddings = rows.embeddings @ turn
    return (
        dataclasses.replace(rows, embeddings=embeddings),
        [dataclasses.replace(one, embedding=one.embedding @ turn) for one in questions],
    )


class ByHand:
    """A table and the statements one would write for it."""

    def __init__(self, url: str, rows: Rows) -> None:
        self.dimensions = rows.embeddings.shape[1]
        self.connection = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        register_vector(self.connection)
        self.run(
            f"create table rows (key text, content text, embedding halfvec({self.dimensions}))"
        )
        with self.connection.cursor().copy("copy rows from stdin (format binary)") as copy:
            copy.set_types(["text", "text", "halfvec"])
            for key, text, embedding in zip(rows.keys, rows.texts, rows.embeddings, strict=True):
                copy.write_row((key, text, HalfVector(embedding)))
        self.run("set maintenance_work_mem = '1GB'")

    def run(self, statement: str, *given: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(statement.encode(), given)
        return cursor.fetchall() if cursor.description else []

    def index(self, expression: str) -> float:
        """Builds the vector index in place of the one before; returns the seconds."""
        self.run("drop index if exists nearest")
        seconds, _ = stores.timed(
            self.run, f"create index nearest on rows using hnsw ({expression})"
        )
        self.run("vacuum analyze rows")
        return seconds

    def bytes(self) -> int:
        return int(self.run("select pg_relation_size('nearest')")[0][0])

    def whole(self, question: Question) -> list[str]:
        asked = "select key, content from rows order by embedding <=> %s limit 10"
        return [row[0] for row in self.run(asked, HalfVector(question.embedding))]

    def bits(self, question: Question) -> list[str]:
        one = HalfVector(question.embedding)
        asked = (
            "select key, content from (select key, content, embedding from rows"
            f" order by binary_quantize(embedding)::bit({self.dimensions})"
            f" <~> binary_quantize(%s)::bit({self.dimensions}) limit 400) as near"
            " order by embedding <=> %s limit 10"
        )
        return [row[0] for row in self.run(asked, one, one)]


def asked(
    search: Search, rows: Rows, questions: Sequence[Question], least: Sequence[float]
) -> dict[str, float]:
    """Returns recall@10 and milliseconds: the second of two rounds, the first warms up."""
    for question in questions:
        search(question)
    recalls, times = [], []
    for question, similarity in zip(questions, least, strict=True):
        seconds, found = stores.timed(search, question)
        recalls.append(workload.recall(rows, found, question, similarity, K))
        times.append(seconds * 1000)
    return {
        "recall": statistics.mean(recalls),
        "worst": min(recalls),
        "p50": statistics.median(times),
        "p95": statistics.quantiles(times, n=20)[-1],
    }


def of_ragpg(
    store: stores.Ragpg, rows: Rows, questions: Sequence[Question], least: Sequence[float]
) -> dict[str, dict[str, float]]:
    results: dict[str, dict[str, float]] = {}
    indexes = store.collection.indexes

    def note(name: str, seconds: float) -> None:
        (status,) = indexes.status()
        size = {"bytes": status["vector_index_bytes"], "ef_search": status["ef_search"]}
        found = asked(lambda one: store.search(one, K, None), rows, questions, least)
        results[name] = {**size, "seconds": seconds, **found}

    note("ragpg, whole", float("nan"))  # built with the rest of the first load
    seconds, _ = stores.timed(indexes.quantize, 1, "bit")
    note("ragpg, bits", seconds)
    for recall in (0.95, 0.98):
        tuning, _ = stores.timed(lambda recall=recall: indexes.tune_ef_search(recall=recall))
        note(f"ragpg, bits, tuned to {recall}", tuning)
    first = f"subvector:{rows.embeddings.shape[1] // 2}"  # of a model that was not trained for it
    seconds, _ = stores.timed(indexes.quantize, 1, first)
    note(f"ragpg, {first}", seconds)
    return results


def by_hand(
    store: ByHand, rows: Rows, questions: Sequence[Question], least: Sequence[float]
) -> dict[str, dict[str, float]]:
    size = store.dimensions
    results = {}
    seconds = store.index(f"(embedding::halfvec({size})) halfvec_cosine_ops")
    store.run("set hnsw.ef_search = 100")
    results["by hand, whole"] = {"seconds": seconds, "bytes": store.bytes(), "ef_search": 100} | (
        asked(store.whole, rows, questions, least)
    )
    seconds = store.index(f"(binary_quantize(embedding)::bit({size})) bit_hamming_ops")
    store.run("set hnsw.ef_search = 400")
    results["by hand, bits"] = {"seconds": seconds, "bytes": store.bytes(), "ef_search": 400} | (
        asked(store.bits, rows, questions, least)
    )
    return results


def show(results: dict[str, dict[str, float]], count: int, console: Console) -> None:
    names = ("ef_search", "MB", "built in s", "recall@10", "worst", "p50 ms", "p95 ms")
    table = Table("", *names, title=f"{count:,} rows")
    for name, one in results.items():
        table.add_row(
            name, f"{one['ef_search']}", f"{one['bytes'] / 1e6:,.0f}", f"{one['seconds']:.0f}",
            f"{one['recall']:.3f}", f"{one['worst']:.1f}", f"{one['p50']:.1f}", f"{one['p95']:.1f}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    rows, questions = widened(
        *workload.read(arguments.data, arguments.rows, arguments.questions, arguments.cache),
        arguments.dimensions,
    )
    least = workload.truth(rows, questions, K, None)
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            store = stores.Ragpg(stores.database(url, "quantized"), arguments.dimensions)
            store.write(rows)
            results = of_ragpg(store, rows, questions, least)
            hand = ByHand(stores.database(url, "by_hand"), rows)
            results |= by_hand(hand, rows, questions, least)
        finally:
            embedded.stop(Path(home))
    show(results, arguments.rows, Console(width=120))
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
