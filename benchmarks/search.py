"""How quick is search, beside a hand-written prepared query and four libraries?

    python -m benchmarks.search ../shared/data --rows 100000    # writes search.json

Same rows, embeddings and kind of index on one server (stores.py): rows written a second without an
index (ragpg counts words and builds its indexes in the same call, so its figure holds all of it),
median and 95th percentile of a search for ten rows, and searches a second by 1, 2 and 8 threads of
one process. The question's embedding is given. "any word" is ts_rank over a GIN index, the hand-
written counterpart of keyword mode; "documents and chunks" are two tables, joined as ragpg's are.
Filters: filters.py.
Installs: benchmarks/stores_requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from rich.console import Console
from rich.table import Table

from benchmarks import stores, workload
from benchmarks.prepared import JoinedQuery, PreparedQuery
from benchmarks.workload import Question
from ragpg.database import embedded
from ragpg.models import HalfVector

K = 10
ROUNDS = 2
UNTIMED = 10  # questions of a turn
THREADS = (1, 2, 8)
Search = Callable[[Question], Any]


def measure(
    searches: dict[Any, Search], questions: Sequence[Question], seconds: float, rounds: int = ROUNDS
) -> dict[Any, dict[str, float]]:
    """Returns the figures of each; they take turns, each asking every question in its turn.

    In its first turn each asks them all before, untimed: at a million rows whose index was in
    memory last, and not whose search is quicker, would be measured.
    """
    times: dict[Any, list[float]] = {key: [] for key in searches}
    for turn in range(rounds):
        for key, search in searches.items():
            for question in questions[: UNTIMED if turn else None]:
                search(question)
            times[key] += [stores.timed(search, question)[0] * 1000 for question in questions]
    return {
        key: {
            "p50": statistics.median(times[key]),
            "p95": statistics.quantiles(times[key], n=20)[-1],
            **{
                f"{threads} threads": throughput(search, questions, threads, seconds)
                for threads in THREADS
            },
        }
        for key, search in searches.items()
    }


def throughput(
    search: Search, questions: Sequence[Question], threads: int, seconds: float
) -> float:
    """Returns searches a second."""
    until = time.perf_counter() + seconds

    def ask(first: int) -> int:
        done = 0
        while time.perf_counter() < until:
            search(questions[(first + done * threads) % len(questions)])
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(ask, range(threads))) / seconds


def by_hand(url: str) -> dict[str, Search]:
    """Returns searches by prepared statements, a connection for each thread."""
    own = threading.local()

    def connection(ef_search: int = 40) -> psycopg.Connection[Any]:
        opened: dict[int, psycopg.Connection[Any]] = own.__dict__.setdefault("opened", {})
        if ef_search not in opened:
            made = psycopg.connect(url, autocommit=True, options=f"-c hnsw.ef_search={ef_search}")
            register_vector(made)
            opened[ef_search] = made
        return opened[ef_search]

    def vector(ef_search: int) -> Search:
        return lambda question: (
            connection(ef_search)
            .execute(
                "select key, content from rows order by embedding <=> %s limit %s",
                [HalfVector(question.embedding), K],
                prepare=True,
                binary=True,
            )
            .fetchall()
        )

    def words(question: Question) -> Any:
        return (
            connection()
            .execute(
                "select key, content from rows, (select replace(plainto_tsquery('english', %s)"
                "::text, '&', '|')::tsquery as query) as asked where words @@ query"
                " order by ts_rank(words, query) desc limit %s",
                [question.text, K],
                prepare=True,
                binary=True,
            )
            .fetchall()
        )

    # pgvector's own ef_search, and ragpg's.
    return {"vector": vector(40), "vector, ef_search 100": vector(100), "any word": words}


def joined_by_hand(store: JoinedQuery) -> dict[str, Search]:
    """Returns a search for the nearest chunks and their documents, as ragpg's hits have them."""
    own = threading.local()

    def vector(question: Question) -> Any:
        if not hasattr(own, "opened"):
            own.opened = psycopg.connect(
                store.url, autocommit=True, options="-c hnsw.ef_search=100"
            )
            register_vector(own.opened)
        return own.opened.execute(
            "select document.*, near.content, near.distance from (select chunk.document_id,"
            " chunk.content, chunk.embedding <=> %s as distance from rows as chunk"
            " order by distance limit %s) as near"
            " join documents as document on document.id = near.document_id"
            " order by near.distance",
            [HalfVector(question.embedding), K],
            prepare=True,
            binary=True,
        ).fetchall()

    return {"vector, ef_search 100": vector}


def searches(store: Any) -> dict[str, Search]:
    """Returns what is timed of a store, by mode."""
    if isinstance(store, JoinedQuery):
        return joined_by_hand(store)
    if isinstance(store, PreparedQuery):
        return by_hand(store.url)
    if isinstance(store, stores.Ragpg):

        def in_mode(mode: Any) -> Search:
            return lambda question: store.collection.search(
                question.text, K, mode=mode, query_embedding=question.embedding
            )

        return {mode: in_mode(mode) for mode in ("vector", "keyword", "hybrid")}
    return {"vector": lambda question: store.search(question, K, None)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3, help="of each count of searches")
    parser.add_argument("--stores", nargs="+", default=[one.__name__ for one in stores.STORES])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    console = Console(width=150)
    rows, questions = workload.read(
        arguments.data, arguments.rows, arguments.questions, arguments.cache
    )
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            loaded = [
                stores.load(url, rows, make, console)
                for make in (*stores.STORES, JoinedQuery)
                if make.__name__ in [*arguments.stores, "JoinedQuery"]
            ]
            asked: dict[Any, Search] = {
                (store.name, mode): search
                for store, _ in loaded
                for mode, search in searches(store).items()
            }
            measured = measure(asked, questions, arguments.seconds)
            for store, written in loaded:
                results[store.name] = written | {
                    mode: measured[store.name, mode] for mode in searches(store)
                }
        finally:
            embedded.stop(Path(home))
    show(results, console)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


def show(results: dict[str, Any], console: Console) -> None:
    threads = [f"{count} threads" for count in THREADS]
    table = Table("", "mode", "p50 ms", "p95 ms", *threads, "rows written/s")
    for name, measured in results.items():
        for mode, figures in measured.items():
            if isinstance(figures, dict):
                table.add_row(
                    name,
                    mode,
                    f"{figures['p50']:.2f}",
                    f"{figures['p95']:.2f}",
                    *(f"{figures[count]:,.0f}/s" for count in threads),
                    f"{measured['rows a second']:,.0f}",
                )
    console.print(table)


if __name__ == "__main__":
    main()
