"""How far from COPY are documents that bring their embedding?

    python -m benchmarks.load ../shared/data [--rows 20000] [--runs 5]       # writes load.json

Rows a second, in turn on one database server, each time into a new collection without its word and
vector index, which are built after a first load: `add(records=)`, `add` of a Parquet file, and a
hand-written binary COPY over one connection into the same three tables, with their triggers
(which find the words, keep the metadata's values and the queue) and without (nothing could be
searched by words or filtered then). Their checks and keys are there for all. Rows of workload.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

import ragpg
from benchmarks import workload
from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.indexing.recipes import ensure_index
from ragpg.models import GivenEmbedder, HalfVector

DOCUMENTS = (
    b"copy ragpg.documents (id, collection_id, source, content, metadata)"
    b" from stdin (format binary)"
)
CHUNKS = (
    b"copy ragpg.chunks (index_id, document_id, document_version, ordinal, start_char, end_char,"
    b" token_count, lexeme_count, language, content, lexemes, embedding)"
    b" from stdin (format binary)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scifact")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--questions", type=int, default=30, help="those in the cache")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "scifact.npy")
    arguments = parser.parse_args()
    given, _ = workload.read(arguments.data, arguments.rows, arguments.questions, arguments.cache)
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        migrate(url)
        try:
            seconds = measure(url, given, arguments.runs, Path(home) / "rows.parquet")
        finally:
            embedded.stop(Path(home))
    found = {
        name: {
            "rows a second": arguments.rows / statistics.median(each),
            "seconds": each,
            "ratio to COPY": _ratio(seconds["COPY, triggers on"], each),
            "ratio to COPY without triggers": _ratio(seconds["COPY, triggers off"], each),
        }
        for name, each in seconds.items()
    }
    for name, one in found.items():
        print(
            f"{name:20} {one['rows a second']:8,.0f} rows a second, "
            f"{one['ratio to COPY']:5.2f} of COPY, "
            f"{one['ratio to COPY without triggers']:5.2f} of COPY without triggers"
        )
    output = Path(__file__).with_suffix(".json")
    output.write_text(json.dumps({"rows": arguments.rows, **found}, indent=2) + "\n")


def _ratio(copied: list[float], each: list[float]) -> float:
    return statistics.median(theirs / ours for theirs, ours in zip(copied, each, strict=True))


def measure(url: str, rows: workload.Rows, runs: int, file: Path) -> dict[str, list[float]]:
    """Returns the seconds of each way in each run, in turn."""
    write_parquet(rows, file)
    records = [
        {"source": key, "text": text, "metadata": metadata, "embedding": embedding}
        for key, text, metadata, embedding in zip(
            rows.keys, rows.texts, rows.metadata, rows.embeddings, strict=True
        )
    ]
    ways: dict[str, Callable[[Any, str], float]] = {
        "COPY, triggers on": lambda client, name: copy(client, name, rows, "origin"),
        "add(records=)": lambda client, name: add(client, name, records=records),
        "add(rows.parquet)": lambda client, name: add(client, name, paths=[file]),
        "COPY, triggers off": lambda client, name: copy(client, name, rows, "replica"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with ragpg.connect(url, embedder=GivenEmbedder("workload", workload.DIMENSIONS)) as client:
        for _ in range(runs):
            for name, way in ways.items():
                seconds[name].append(way(client, "loaded"))
                client.drop_collection("loaded")
                print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    return seconds


def write_parquet(rows: workload.Rows, file: Path) -> None:
    flat = pa.array(np.ascontiguousarray(rows.embeddings).reshape(-1))
    table = pa.table(
        {
            "source": rows.keys,
            "text": rows.texts,
            "metadata": rows.metadata,
            "embedding": pa.FixedSizeListArray.from_arrays(flat, workload.DIMENSIONS),
        }
    )
    pq.write_table(table, file, row_group_size=10_000)


def add(client: Any, name: str, **given: Any) -> float:
    """Returns the seconds until the last row was stored: words are counted after it."""
    ends: list[float] = []
    started = time.perf_counter()
    collection = client.collection(name)
    report = collection.add(on_outcome=lambda *_: ends.append(time.perf_counter()), **given)
    assert not report.failed and len(ends) == report.added, report
    return ends[-1] - started


def copy(client: Any, name: str, rows: workload.Rows, role: str) -> float:
    """Returns the seconds of one transaction: binary, its ids given by the writer."""
    index = ensure_index(client.session, name, client.session.embedder, "english", None)
    with psycopg.connect(client.database.url) as connection:
        register_vector(connection)
        connection.execute("select set_config('session_replication_role', %s, false)", (role,))
        connection.execute("select set_config('search_path', 'ragpg, public', false)")
        row = connection.execute("select ragpg.collection_id(%s)", (name,)).fetchone()
        assert row is not None
        started = time.perf_counter()
        copy_rows(connection, row[0], index.id, rows)
        connection.commit()
        return time.perf_counter() - started


def copy_rows(
    connection: psycopg.Connection, collection_id: int, index_id: int, rows: workload.Rows
) -> None:
    cursor = connection.cursor()
    cursor.execute("select coalesce(max(id), 0) + 10000000 from ragpg.documents")
    start = (cursor.fetchone() or (0,))[0]
    with cursor.copy(DOCUMENTS) as copying:
        copying.set_types(["int8", "int8", "text", "text", "jsonb"])
        for n, (key, text) in enumerate(zip(rows.keys, rows.texts, strict=True)):
            copying.write_row((start + n, collection_id, key, text, Jsonb(rows.metadata[n])))
    with cursor.copy(CHUNKS) as copying:
        copying.set_types(["int8", "int8", *["int4"] * 6, "text", "text", "bytea", "halfvec"])
        for n, (text, vector) in enumerate(zip(rows.texts, rows.embeddings, strict=True)):
            plain = (index_id, start + n, 1, 0, 0, len(text), 0, 0, "english", text)
            copying.write_row((*plain, NO_WORDS, HalfVector(vector)))
    cursor.execute(
        "insert into ragpg.index_documents"
        " (index_id, document_id, document_version, chunk_count, indexed_at)"
        " select %s, id, 1, 1, now() from generate_series(%s, %s) as id"
        " on conflict on constraint index_documents_pkey do update"
        " set document_version = 1, chunk_count = 1, indexed_at = now(), pending_since = null",
        (index_id, start, start + len(rows.keys) - 1),
    )


NO_WORDS = b"\0\0\0\0"  # a tsvector without lexemes, as it is sent


if __name__ == "__main__":
    main()
