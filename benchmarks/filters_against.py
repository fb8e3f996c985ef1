"""What is left of recall and speed when a filter goes against the question?

    python -m benchmarks.filters_against ../shared/data     # prints the table

The rows are clustered by their embeddings (k-means) into 8, 25 and 200 clusters, the metadata say
which; a question asks for the cluster it is nearest to, one in the middle, and the farthest one:
the nearest ten that match, held against brute force. Beside it the exact scan one would write by
hand: a table of keys, values and embeddings with a B-tree, one prepared statement. `range` asks for
1 % of the rows by a comparison of numbers that has nothing to do with the question.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from rich.console import Console
from rich.table import Table

import ragpg
from benchmarks import stores, workload
from benchmarks.workload import Question, Rows
from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.models import HalfVector

K = 10
CLUSTERS = {"c8": 8, "c25": 25, "c200": 200}
WHICH = ("own", "middle", "farthest")


def cluster(embeddings: Any, count: int) -> tuple[Any, Any]:
    """Returns each row's cluster and the centres, by k-means of 10 rounds on cosine."""
    rng = np.random.default_rng(count)
    centres = embeddings[rng.choice(len(embeddings), count, replace=False)]
    nearest = np.zeros(len(embeddings), int)
    for _ in range(10):
        nearest = np.argmax(embeddings @ centres.T, axis=1)
        for one in range(count):
            if (nearest == one).any():
                centres[one] = embeddings[nearest == one].mean(0)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return nearest, centres


def load(url: str, rows: Rows, metadata: list[dict[str, int]]) -> tuple[Any, psycopg.Connection]:
    """Returns ragpg's collection and a connection to the table by hand, both with the rows."""
    migrate(url)
    client = ragpg.connect(url)
    collection = client.collection("rows")
    collection.add(
        records=[
            {"text": text, "source": key, "metadata": values, "embedding": embedding}
            for text, key, values, embedding in zip(
                rows.texts, rows.keys, metadata, rows.embeddings, strict=True
            )
        ]
    )
    connection = psycopg.connect(url, autocommit=True, prepare_threshold=1)
    register_vector(connection)
    columns = ", ".join(f"{name} integer" for name in metadata[0])
    connection.execute(f"create table by_hand (key text, {columns}, embedding halfvec)".encode())
    with connection.cursor().copy("copy by_hand from stdin with (format binary)") as copy:
        copy.set_types(["text", *["int4"] * len(metadata[0]), "halfvec"])
        for key, values, embedding in zip(rows.keys, metadata, rows.embeddings, strict=True):
            copy.write_row((key, *values.values(), HalfVector(embedding)))
    for name in metadata[0]:
        connection.execute(f"create index on by_hand ({name})".encode())
    connection.execute("analyze by_hand")
    return collection, connection


def measure(
    collection: Any,
    connection: psycopg.Connection,
    rows: Rows,
    asked: list[tuple[Question, str, str, Any, Any]],
) -> dict[str, float]:
    """Returns recall (mean and worst) and milliseconds of ragpg, and milliseconds by hand.

    Asked are a question, a filter, the condition of the statement by hand, its value and which rows
    match.
    """
    recalls, ours, hand = [], [], []
    for question, filter_, condition, value, matches in asked:
        similar = np.sort(rows.embeddings[matches] @ question.embedding)
        least = float(similar[-min(K, len(similar))])
        started = time.perf_counter()
        hits = collection.search(
            question.text, K, filter=filter_, mode="vector", query_embedding=question.embedding
        )
        ours.append((time.perf_counter() - started) * 1000)
        found = [hit.source for hit in hits]
        recalls.append(workload.recall(rows, found, question, least, min(K, len(similar))))
        statement = (
            f"select key from by_hand where {condition} order by embedding <=> %s limit {K}"
        ).encode()
        started = time.perf_counter()
        connection.execute(statement, (value, HalfVector(question.embedding))).fetchall()
        hand.append((time.perf_counter() - started) * 1000)
    return {
        "recall": statistics.mean(recalls),
        "worst": min(recalls),
        "ms": statistics.median(ours),
        "by hand": statistics.median(hand),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=61_440)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "against.npy")
    arguments = parser.parse_args()
    console = Console(width=120)
    rows, questions = workload.read(
        arguments.data, arguments.rows, arguments.questions, arguments.cache
    )
    clusters = {name: cluster(rows.embeddings, count) for name, count in CLUSTERS.items()}
    bucket = np.random.default_rng(3).integers(0, 1000, len(rows.keys))
    metadata = [
        {**{name: int(of[n]) for name, (of, _) in clusters.items()}, "bucket": int(bucket[n])}
        for n in range(len(rows.keys))
    ]
    cases: list[tuple[str, list[tuple[Question, str, str, Any, Any]]]] = []
    table = Table("filter", "rows, mean", "recall@10", "worst", "ms", "exact by hand, ms", "ratio")
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            collection, connection = load(stores.database(url, "against"), rows, metadata)
            for name, (of, centres) in clusters.items():
                for which, place in zip(WHICH, (-1, len(centres) // 2, 0), strict=True):
                    asked = []
                    for question in questions:
                        one = int(np.argsort(centres @ question.embedding)[place])
                        asked.append(
                            (question, f"$.{name} == {one}", f"{name} = %s", one, of == one)
                        )
                    cases.append((f"{which} of {len(centres)}", asked))
            by_range = (f"$.bucket < {10}", "bucket < %s", 10, bucket < 10)
            cases.append(("range", [(question, *by_range) for question in questions]))
            for _ in range(2):  # the first round warms up
                results = {
                    name: (asked, measure(collection, connection, rows, asked))
                    for name, asked in cases
                }
        finally:
            embedded.stop(Path(home))
    for name, (asked, found) in results.items():
        table.add_row(
            name, f"{statistics.mean(int(case[4].sum()) for case in asked):,.0f}",
            f"{found['recall']:.3f}", f"{found['worst']:.1f}", f"{found['ms']:.1f}",
            f"{found['by hand']:.1f}", f"{found['ms'] / found['by hand']:.1f}",
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
