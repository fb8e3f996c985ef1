"""What is left of recall, rows and speed when a filter lets only a share of the rows through?

    python -m benchmarks.filters ../shared/data --rows 100000     # writes filters.json

ragpg, a hand-written prepared query and four libraries with the same rows, embeddings and kind of
index on one server (stores.py); the ten nearest of the rows whose metadata "part" has one value,
held against brute force. Installs: benchmarks/stores_requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import stores, workload
from benchmarks.stores import Store
from benchmarks.workload import PARTS, Question, Rows
from ragpg.database import embedded

K = 10
SHARES: dict[str | None, str] = {
    **{part: f"{share:.1%}" for part, share in PARTS.items()},
    None: "no filter",
}


def measure(store: Store, rows: Rows, questions: Sequence[Question]) -> dict[str, Any]:
    """Returns mean recall@10, fewest rows and median milliseconds by share of rows let through."""
    measured = {}
    for part, share in SHARES.items():
        least = workload.truth(rows, questions, K, part)
        for question in questions[:5]:
            store.search(question, K, part)  # the first ones read the disk
        recalls, counts, times = [], [], []
        for question, similarity in zip(questions, least, strict=True):
            seconds, found = stores.timed(store.search, question, K, part)
            recalls.append(workload.recall(rows, found, question, similarity, K))
            counts.append(len(found))
            times.append(seconds * 1000)
        measured[share] = {
            "recall": statistics.mean(recalls),
            "fewest": min(counts),
            "mean rows": statistics.mean(counts),
            "ms": statistics.median(times),
        }
    return measured


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table("", *SHARES.values(), title="recall@10 / rows returned, mean / median ms")
    for name, measured in results.items():
        table.add_row(
            name,
            *(
                f"{one['recall']:.3f} / {one['mean rows']:.1f} / {one['ms']:.1f}"
                for one in measured.values()
            ),
        )
    console.print(table)


def load(
    url: str, rows: Rows, make: Callable[[str], Store], console: Console
) -> tuple[Store, dict[str, float]]:
    """Returns a store with the rows in it, and how long that took."""
    store = make(stores.database(url, f"rows_{make.__name__.lower()}"))
    write, _ = stores.timed(store.write, rows)
    index, _ = stores.timed(store.index)
    console.print(f"{store.name}: {len(rows.keys) / write:,.0f} rows/s, index in {index:.0f} s")
    return store, {"rows a second": len(rows.keys) / write, "index seconds": index}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    arguments = parser.parse_args()
    console = Console(width=150)
    rows, questions = workload.read(
        arguments.data, arguments.rows, arguments.questions, arguments.cache
    )
    results = {}
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            for make in stores.STORES:
                store, _ = load(url, rows, make, console)
                results[store.name] = measure(store, rows, questions)
        finally:
            embedded.stop(Path(home))
    show(results, console)
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
