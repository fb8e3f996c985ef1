"""How do speed, build time and size grow with the number of rows?

    python -m benchmarks.scale ../shared/data --rows 10000 100000 1000000    # writes scale.json

ragpg and a hand-written prepared query, each in a database of its own on one server, with the rows
of stores.py (real embeddings perturbed). Latency and searches a second as search.py measures them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks import search, stores, workload
from benchmarks.prepared import PreparedQuery
from ragpg.database import embedded


def measure(url: str, count: int, arguments: argparse.Namespace) -> dict[str, Any]:
    rows, questions = workload.read(arguments.data, count, arguments.questions, arguments.cache)
    results: dict[str, Any] = {}
    asked: dict[Any, search.Search] = {}
    for make in (stores.Ragpg, PreparedQuery):
        made = stores.database(url, f"{make.__name__.lower()}_{count}")
        store = make(made)
        write, _ = stores.timed(store.write, rows)
        index, _ = stores.timed(store.index)
        with psycopg.connect(made) as connection:
            size = connection.execute("select pg_database_size(current_database())").fetchone()
        results[store.name] = {"seconds": write + index, "megabytes": size[0] / 1e6 if size else 0}
        asked |= {(store.name, mode): one for mode, one in search.searches(store).items()}
    for (name, mode), figures in search.measure(asked, questions, arguments.seconds, 1).items():
        results[name][mode] = figures
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    arguments = parser.parse_args()
    table = Table("rows", "", "mode", "p50 ms", "p95 ms", "2 threads", "written in s", "MB")
    results = {}
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            for count in arguments.rows:
                results[count] = measure(url, count, arguments)
        finally:
            embedded.stop(Path(home))
    for count, each in results.items():
        for name, measured in each.items():
            for mode, figures in measured.items():
                if isinstance(figures, dict):
                    table.add_row(
                        f"{count:,}",
                        name,
                        mode,
                        f"{figures['p50']:.2f}",
                        f"{figures['p95']:.2f}",
                        f"{figures['2 threads']:,.0f}/s",
                        f"{measured['seconds']:.0f}",
                        f"{measured['megabytes']:,.0f}",
                    )
    Console(width=110).print(table)
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
