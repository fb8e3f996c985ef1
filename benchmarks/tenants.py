"""What does it cost to keep tenants apart?

    python -m benchmarks.tenants ../shared/data --rows 100000

One table: recall@10 of vector mode against brute force, and median milliseconds of `ragpg.search`
for a small and a large tenant's reader and for the same rows with tenants off, on a server of its
own, with a filter (1 % pass) and without. The rows are those of filters.py; the large tenant has
six tenths of them, the small one a hundredth.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

import ragpg
from benchmarks import workload
from benchmarks.workload import Question, Rows
from ragpg.database import embedded
from ragpg.database.migrations import migrate

SHARES = {"small": 0.01, "large": 0.6, "others": 0.39}
SEARCH = """
select source from ragpg.search(%s, 10, collection => 'rows', filter => %s::jsonpath,
    query_embedding => %s::halfvec, mode => %s)
"""
FILTERS = {"": None, "filtered": '$.part == "hundredth"'}


def of_tenant(rows: Rows, tenant: str | None) -> Rows:
    """Returns the tenant's share of the rows, drawn evenly; all of them for None."""
    names = list(SHARES)
    ends = np.cumsum(list(SHARES.values()))
    drawn = np.searchsorted(ends, np.arange(len(rows.keys)) * 0.618034 % 1, side="right")
    own = [n for n, one in enumerate(drawn) if tenant is None or names[one] == tenant]
    return Rows(
        [rows.keys[n] for n in own],
        [rows.texts[n] for n in own],
        [rows.metadata[n] for n in own],
        rows.embeddings[own],
    )


def fill(url: str, rows: Rows) -> None:
    """Has each tenant add its rows, and binds a reader to each."""
    migrate(url)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("select ragpg.enable_tenants()")
        for name in ("writer", *SHARES):
            owner.execute(f"create role {name} login".encode())
        owner.execute("select ragpg.grant_writer('writer'), ragpg.trust_role('writer')")
        for name in SHARES:
            owner.execute("select ragpg.grant_reader(%s), ragpg.bind_role(%s, %s)", (name,) * 3)
    # Models are the owner's to add: by the first document of any collection.
    with ragpg.connect(url) as client:
        client.collection("first").add(
            records=[{"text": rows.texts[0], "source": "1", "embedding": rows.embeddings[0]}]
        )
    for tenant in SHARES:
        own = of_tenant(rows, tenant)
        with ragpg.connect(
            psycopg.conninfo.make_conninfo(url, user="writer"), tenant=tenant
        ) as client:
            client.collection("rows").add(
                records=[
                    {"text": text, "source": key, "metadata": metadata, "embedding": vector}
                    for key, text, metadata, vector in zip(
                        own.keys, own.texts, own.metadata, own.embeddings, strict=True
                    )
                ]
            )
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("vacuum analyze")


def measure(
    url: str, user: str, rows: Rows, tenant: str | None, questions: Sequence[Question]
) -> dict[str, str]:
    """Returns recall@10 of vector mode, and median milliseconds by mode, filtered and not."""
    measured = {}
    least = workload.truth(of_tenant(rows, tenant), questions, 10, None)
    with psycopg.connect(url, user=user, autocommit=True) as connection:
        for mode in ("vector", "keyword", "hybrid"):
            for label, filter_ in FILTERS.items():
                times, recalls = [], []
                asked = list(zip(questions, least, strict=True))
                for question, similarity in [*asked[:5], *asked]:  # the first ones read the disk
                    start = time.perf_counter()
                    given = (question.text, filter_, str(question.embedding.tolist()), mode)
                    found = [row[0] for row in connection.execute(SEARCH, given)]
                    times.append((time.perf_counter() - start) * 1000)
                    recalls.append(workload.recall(rows, found, question, similarity, 10))
                if mode == "vector" and not label:
                    measured["recall@10"] = f"{statistics.mean(recalls[5:]):.3f}"
                measured[f"{mode} {label}"] = f"{statistics.median(times[5:]):.1f}"
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    arguments = parser.parse_args()
    rows, questions = workload.read(
        arguments.data, arguments.rows, arguments.questions, arguments.cache
    )
    home = Path(tempfile.mkdtemp())
    try:
        url = embedded.start(home)
        fill(url, rows)
        results = {
            f"{name} tenant": measure(url, name, rows, name, questions)
            for name in ("small", "large")
        }
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("select ragpg.disable_tenants()")
            owner.execute("vacuum analyze")
        results["tenants off"] = measure(url, "large", rows, None, questions)
    finally:
        embedded.stop(home)
    table = Table("", *next(iter(results.values())), title="median milliseconds of a search")
    for name, measured in results.items():
        table.add_row(name, *measured.values())
    Console().print(table)


if __name__ == "__main__":
    main()
