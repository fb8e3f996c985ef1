"""How good and how quick is search by who embeds the question: Python, SQL, or nobody?

    python -m benchmarks.query_encoders ../shared/data   # prints tables, writes the JSON beside it

Ingests each set as benchmarks/ranking.py does and asks its labelled questions. All but "Python" are
asked by psql alone, from a file of statements: no other program embeds anything. Latency is
that of ragpg.search(k => 10), the encoders in turn
on each question, without the cache of query embeddings; Python's includes embedding with the loaded
model.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import R, nDCG
from rich.console import Console
from rich.table import Table

import ragpg
from benchmarks.ranking import DEPTH, SETS, LabelledSet, ingest, read_set
from benchmarks.ranking import run as documents
from ragpg.database import embedded
from ragpg.database.starting import server_url
from ragpg.models import HalfVector
from ragpg.settings import from_environment

TIMED = 60  # questions a set
# How a search is set up, and whether the question's embedding is given.
ENCODERS = {
    "Python (torch)": ("", True),
    "exact, in SQL": ("", False),
    "none: words stand in": ("update ragpg.encoders set verified_cosine = null;", False),
}
MODES = ("vector", "hybrid", "keyword")
SIZES = """
select
    sum(pg_total_relation_size(format('ragpg.%I', relname)::regclass)) filter (
        where relname in ('encoder_vocabulary', 'encoder_embeddings', 'encoder_positions',
            'encoder_layers', 'encoder_weights')
    ) / 1e6 as exact_mb
from pg_stat_user_tables
where schemaname = 'ragpg'
"""


def psql(script: str) -> str:
    url = server_url(from_environment())
    command = [str(embedded.bin_folder() / "psql"), *([url] if url else [])]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [*command, "-qXAt", "-v", "ON_ERROR_STOP=1", "-f", file.name],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def rankings(
    collection: str, set_up: str, mode: str, questions: dict[str, str], given: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """Asks by psql, in a transaction that leaves nothing behind; returns documents with scores."""
    asked = io.StringIO()
    for key, question in questions.items():
        embedding = given[key].to_text() if given else ""
        csv.writer(asked).writerow([key, question.replace("\n", " "), embedding])
    found = psql(
        "set client_min_messages = error;\nbegin;\n"
        "create temp table asked (key text, query text, embedding halfvec) on commit drop;\n"
        f"\\copy asked from stdin with (format csv)\n{asked.getvalue()}\\.\n{set_up}\n"
        "copy (select asked.key, found.chunk_id, found.source\n"
        "from asked cross join lateral ragpg.search(\n"
        f"    asked.query, {DEPTH}, '{collection}', query_embedding => asked.embedding,\n"
        f"    mode => '{mode}'\n) as found\n"
        "order by asked.key, found.place) to stdout with (format csv);\nrollback;\n"
    )
    each: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for key, chunk, source in csv.reader(io.StringIO(found)):
        each[key].append((int(chunk), source))
    return {key: documents(ranking) for key, ranking in each.items()}


def latencies(client: ragpg.Client, collection: str, questions: list[str]) -> dict[str, float]:
    """Returns the median milliseconds of a hybrid search by encoder, all asked in turn."""
    taken: dict[str, list[float]] = defaultdict(list)
    for question in questions:
        for name, (set_up, is_given) in ENCODERS.items():
            with client.database.connection() as sql:
                sql.execute("update ragpg.encoders set cached_queries = 0")
                if set_up:
                    sql.execute(set_up.encode())
                started = time.perf_counter()
                embedding = client.session.embedder.embed_query(question) if is_given else None
                sql.execute(
                    "select * from ragpg.search(%s, 10, %s, query_embedding => %s)",
                    (question, collection, None if embedding is None else HalfVector(embedding)),
                ).fetchall()
                taken[name].append((time.perf_counter() - started) * 1000)
                sql.rollback()
    return {name: statistics.median(times) for name, times in taken.items()}


def evaluate(client: ragpg.Client, data: LabelledSet, console: Console) -> dict[str, Any]:
    name = ingest(client, data, console)
    client.models.ensure()
    embeddings = {
        key: client.session.embedder.embed_query(text) for key, text in data.queries.items()
    }
    given = {key: HalfVector(one) for key, one in embeddings.items()}
    result: dict[str, Any] = {"questions": len(data.queries)}
    for encoder, (set_up, is_given) in ENCODERS.items():
        for mode in MODES:
            if mode == "keyword" and encoder != "exact, in SQL":
                continue  # the same for all: no question is embedded
            if mode == "vector" and "none" in encoder:
                continue
            found = rankings(name, set_up, mode, data.queries, given if is_given else {})
            measured = ir_measures.calc_aggregate([nDCG @ 10, R @ 10], data.labels, found)
            label = "BM25 only" if mode == "keyword" else f"{encoder}, {mode}"
            result[label] = {str(measure): value for measure, value in measured.items()}
            console.print(f"{name}: {label}: {measured[nDCG @ 10]:.4f}")
    result["ms"] = latencies(client, name, list(data.queries.values())[:TIMED])
    with client.database.connection() as sql:
        (megabytes,) = sql.execute(SIZES).fetchone() or (0,)
    result["mb"] = float(megabytes)
    return result


def show(results: dict[str, Any], console: Console) -> None:
    first = next(iter(results.values()))
    table = Table("who embeds, mode", *results, "mean", title="nDCG@10")
    for label in [key for key in first if isinstance(first[key], dict) and "nDCG@10" in first[key]]:
        values = [result[label]["nDCG@10"] for result in results.values()]
        table.add_row(label, *(f"{v:.4f}" for v in values), f"{statistics.mean(values):.4f}")
    console.print(table)
    table = Table("who embeds", *results, title="median ms of a hybrid search, k = 10")
    for label in ENCODERS:
        table.add_row(label, *(f"{result['ms'][label]:.1f}" for result in results.values()))
    console.print(table)
    for name, result in results.items():
        console.print(f"{name}: {result['questions']} questions; the model {result['mb']:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder with scifact, squad2, anthropic_docs_rag")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    output = Path(__file__).parent / "query_encoders.json"
    parser.add_argument("--output", type=Path, default=output)
    arguments = parser.parse_args()
    console = Console(width=120, highlight=False)
    with ragpg.connect() as client:
        results = {
            name: evaluate(client, read_set(arguments.data, name), console)
            for name in arguments.sets
        }
    show(results, console)
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
