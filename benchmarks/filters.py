"""What is left of recall, rows and speed when a filter lets only some of the rows through?

    python -m benchmarks.filters ../shared/data     # writes filters.json

ragpg, hand-written prepared queries (one by the vector index, two that sort all that passes: of one
table, and of documents and their chunks) and four libraries with the same rows and embeddings on
one server (stores.py): the ten nearest of what passes, held against brute force. Four kinds:

- a share of the rows, which has nothing to do with the question,
- a range of numbers (1 %), which has not either,
- rows like the question: the cluster it is nearest to, of 8, 25 and 200 made by k-means,
- rows unlike the question: a cluster in the middle, and the farthest.

Installs: benchmarks/stores_requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import stores, workload
from benchmarks.prepared import ExactQuery, JoinedQuery
from benchmarks.stores import Store
from benchmarks.workload import PARTS, Condition, Question, Rows
from ragpg.database import embedded

K = 10
CLUSTERS = (8, 25, 200)
Asked = list[tuple[Question, Condition | None]]


def shares(questions: Sequence[Question]) -> dict[str, Asked]:
    """Returns what is asked by the share of the rows that it lets through."""
    asked: dict[str, Asked] = {
        f"{share:.1%}": [(one, Condition("part", "==", part)) for one in questions]
        for part, share in PARTS.items()
    }
    return asked | {"no filter": [(one, None) for one in questions]}


def ranges(rows: Rows, questions: Sequence[Question]) -> dict[str, Asked]:
    """Gives the rows a number below 1,000, and returns what asks for 1 % of them."""
    for one, number in zip(
        rows.metadata, np.random.default_rng(3).integers(0, 1000, len(rows.keys)), strict=True
    ):
        one["bucket"] = int(number)
    return {"range, 1%": [(one, Condition("bucket", "<", 10)) for one in questions]}


def clusters(rows: Rows, questions: Sequence[Question]) -> dict[str, Asked]:
    """Gives the rows their clusters, and returns what asks for some of these."""
    asked: dict[str, Asked] = {}
    for count in CLUSTERS:
        numbers, centres = workload.cluster(rows, count)
        for one, number in zip(rows.metadata, numbers, strict=True):
            one[f"cluster_{count}"] = int(number)
        orders = [np.argsort(centres @ one.embedding) for one in questions]
        for name, place in {"own": count - 1, "middle": count // 2, "farthest": 0}.items():
            asked[f"{name} of {count}"] = [
                (one, Condition(f"cluster_{count}", "==", int(order[place])))
                for one, order in zip(questions, orders, strict=True)
            ]
    return asked


def measure(store: Store, rows: Rows, asked: Asked) -> dict[str, float]:
    """Returns recall@10 (mean and worst), rows (fewest and mean) and median milliseconds."""
    for question, where in asked[:5]:
        store.search(question, K, where)  # the first ones read the disk
    recalls, counts, times = [], [], []
    for question, where in asked:
        [least] = workload.truth(rows, [question], K, where)
        seconds, found = stores.timed(store.search, question, K, where)
        expected = min(K, int(rows.passing(where).sum()))
        recalls.append(workload.recall(rows, found, question, least, expected))
        counts.append(len(found))
        times.append(seconds * 1000)
    return {
        "recall": statistics.mean(recalls),
        "worst": min(recalls),
        "fewest": min(counts),
        "mean rows": statistics.mean(counts),
        "ms": statistics.median(times),
    }


def show(results: dict[str, dict[str, dict[str, float]]], console: Console) -> None:
    names = list(next(iter(results.values())))
    table = Table("", *names, title="recall@10, mean (worst) / rows returned, mean / median ms")
    for case, measured in results.items():
        table.add_row(
            case,
            *(
                f"{one['recall']:.3f} ({one['worst']:.1f}) / {one['mean rows']:.1f}"
                f" / {one['ms']:.1f}"
                for one in measured.values()
            ),
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--stores", nargs="+", default=[one.__name__ for one in stores.STORES])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    console = Console(width=220)
    rows, questions = workload.read(
        arguments.data, arguments.rows, arguments.questions, arguments.cache
    )
    asked = shares(questions) | ranges(rows, questions) | clusters(rows, questions)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            loaded = [
                stores.load(url, rows, make, console)[0]
                for make in (*stores.STORES, ExactQuery, JoinedQuery)
                if make.__name__ in [*arguments.stores, "ExactQuery", "JoinedQuery"]
            ]
            for case, each in asked.items():
                results[case] = {store.name: measure(store, rows, each) for store in loaded}
        finally:
            embedded.stop(Path(home))
    show(results, console)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
