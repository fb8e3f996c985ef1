"""What does it cost to keep tenants apart?

    python -m benchmarks.tenants ../shared/data --rows 100000

One table: median milliseconds of `ragpg.search` for a small and a large tenant's reader, and for
the same rows with tenants off, on a server of its own; with a filter (1 % pass) and
without. The rows are those of filters.py; the large tenant has six tenths of them, the small one a
hundredth.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

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


def fill(url: str, rows: Rows) -> None:
    """Has each tenant add its rows, drawn evenly, and binds a reader to each."""
    migrate(url)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("select ragpg.enable_tenants()")
        for name in ("writer", *SHARES):
            owner.execute(f"create role {name} login".encode())
        owner.execute("select ragpg.grant_writer('writer'), ragpg.trust_role('writer')")
        for name in SHARES:
            owner.execute("select ragpg.grant_reader(%s), ragpg.bind_role(%s, %s)", (name,) * 3)
    ends = [sum(list(SHARES.values())[:n]) for n in range(len(SHARES) + 1)]
    for tenant, start, end in zip(SHARES, ends, ends[1:], strict=False):
        with ragpg.connect(
            psycopg.conninfo.make_conninfo(url, user="writer"), tenant=tenant
        ) as client:
            client.collection("rows").add(
                records=[
                    {"text": text, "source": key, "metadata": {"part": part}, "embedding": vector}
                    for n, (key, text, part, vector) in enumerate(
                        zip(rows.keys, rows.texts, rows.parts, rows.embeddings, strict=True)
                    )
                    if start <= n * 0.618034 % 1 < end
                ]
            )
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("vacuum analyze")


def medians(url: str, user: str, questions: Sequence[Question]) -> dict[str, float]:
    """Returns the median milliseconds of a search by mode, filtered and not."""
    measured = {}
    with psycopg.connect(url, user=user, autocommit=True) as connection:
        for mode in ("vector", "keyword", "hybrid"):
            for label, filter_ in FILTERS.items():
                times = []
                for question in [*questions[:5], *questions]:  # the first ones read the disk
                    start = time.perf_counter()
                    given = (question.text, filter_, str(question.embedding.tolist()), mode)
                    connection.execute(SEARCH, given).fetchall()
                    times.append((time.perf_counter() - start) * 1000)
                measured[f"{mode} {label}"] = statistics.median(times[5:])
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
        results = {f"{name} tenant": medians(url, name, questions) for name in ("small", "large")}
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("select ragpg.disable_tenants()")
            owner.execute("vacuum analyze")
        results["tenants off"] = medians(url, "large", questions)
    finally:
        embedded.stop(home)
    table = Table("", *next(iter(results.values())), title="median milliseconds of a search")
    for name, measured in results.items():
        table.add_row(name, *(f"{one:.1f}" for one in measured.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
