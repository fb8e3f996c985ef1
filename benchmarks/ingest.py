"""How much of an ingest is the model, and how far from COPY are rows that bring their embedding?

    python -m benchmarks.ingest FOLDER [--pages 250] [--rows 20000]

Prints, each pair in one process on one database server:
- chunks per second of a whole ingest (read, parse, chunk, embed, store, index) beside the bare
  `model.encode` of the very same texts, same model object, same precision, sorted by length too;
- the time of adding the unchanged folder again, as a share of the first time;
- rows per second of `add(records=[... embedding ...])` beside a bare binary COPY of the same rows
  into the same three tables (their triggers, checks and indexes are the same for both).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

import ragpg
from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.indexing.recipes import ensure_index
from ragpg.models import HalfVector, SentenceTransformerEmbedder

WORDS = Path(__file__).read_text().split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="files to ingest, such as an HTML manual")
    parser.add_argument("--pages", type=int, default=250)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        migrate(url)
        try:
            ingested = ingest(url, arguments.folder, arguments.pages)
            runs = [rows(url, arguments.rows, run) for run in range(arguments.runs)]
        finally:
            embedded.stop(Path(home))
    ratios = [run["ratio"] for run in runs]
    print(f"rows: median ratio to COPY {statistics.median(ratios):.2f} of {len(ratios)} runs")
    output = Path(__file__).with_suffix(".json")
    output.write_text(json.dumps({"ingest": ingested, "rows": runs}, indent=2) + "\n")


def ingest(url: str, folder: Path, pages: int) -> dict[str, float]:
    files = sorted(path for path in folder.rglob("*.html") if path.is_file())[:pages]
    with ragpg.connect(url) as client:
        client.session.embedder.embed_query("the model is loaded")
        collection = client.collection("pages")
        first = collection.add(files)
        again = collection.add(files)
        with client.database.connection() as connection:
            texts = [
                text
                for (text,) in connection.execute(
                    "select context || E'\\n' || content from ragpg.chunks order by id"
                )
            ]
        assert isinstance(client.session.embedder, SentenceTransformerEmbedder)
        model = client.session.embedder.load()
        started = time.perf_counter()
        model.encode(texts, batch_size=32, convert_to_tensor=True, show_progress_bar=False)
        bare = time.perf_counter() - started
    found = {
        "documents": first.added,
        "chunks": len(texts),
        "chunks_per_second": len(texts) / first.seconds,
        "encode_per_second": len(texts) / bare,
        "ratio": bare / first.seconds,
        "again_share": again.seconds / first.seconds,
    }
    print(
        f"ingest: {len(texts):,} chunks of {first.added} files in {first.seconds:.1f} s, "
        f"{found['chunks_per_second']:.1f} a second; bare encode {bare:.1f} s, "
        f"{found['encode_per_second']:.1f} a second; ratio {found['ratio']:.3f}\n"
        f"again, unchanged: {again.seconds:.2f} s, {found['again_share']:.2%} of the first time"
    )
    return found


def rows(url: str, count: int, run: int) -> dict[str, float]:
    random = np.random.default_rng(run)
    vectors = random.normal(size=(count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [" ".join(random.choice(WORDS, 60)) for _ in range(count)]
    records = [
        {"source": f"r{n}", "text": text, "media_type": "text/plain", "embedding": vector}
        for n, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    with ragpg.connect(url) as client:
        # A first row makes the collections, and keeps the state of a first load: no vector index.
        ids = [_prepare(client, f"{kind}{run}") for kind in ("copied", "added")]
        started = time.perf_counter()
        _copy(url, *ids[0], texts, vectors)
        copied = time.perf_counter() - started
        collection = client.collection(f"added{run}")
        seconds: list[float] = []
        started = time.perf_counter()
        collection.add(records=records, on_outcome=lambda *_: seconds.append(time.perf_counter()))
        added = seconds[-1] - started  # without counting words and building indexes
        for kind in ("copied", "added"):
            client.drop_collection(f"{kind}{run}")
    print(
        f"rows, run {run + 1}: COPY {count / copied:,.0f} a second, "
        f"add {count / added:,.0f} a second, ratio {copied / added:.2f}"
    )
    return {
        "copy_per_second": count / copied,
        "add_per_second": count / added,
        "ratio": copied / added,
    }


def _prepare(client: Any, name: str) -> tuple[int, int]:
    index = ensure_index(client.session, name, client.session.embedder, "english", None)
    with client.database.connection() as connection:
        row = connection.execute("select ragpg.collection_id(%s)", (name,)).fetchone()
    return row[0], index.id


def _copy(url: str, collection_id: int, index_id: int, texts: list[str], vectors: Any) -> None:
    """The same rows, hand-written: one transaction, binary, ids given by the writer."""
    with psycopg.connect(url) as connection:
        register_vector(connection)
        cursor = connection.cursor()
        cursor.execute("select coalesce(max(id), 0) + 1000000 from ragpg.documents")
        start = (cursor.fetchone() or (0,))[0]
        with cursor.copy(
            "copy ragpg.documents (id, collection_id, source, content) from stdin (format binary)"
        ) as copy:
            copy.set_types(["int8", "int8", "text", "text"])
            for n, text in enumerate(texts):
                copy.write_row((start + n, collection_id, f"r{n}", text))
        with cursor.copy(
            "copy ragpg.chunks (index_id, document_id, document_version, ordinal, start_char,"
            " end_char, token_count, language, content, embedding)"
            " from stdin (format binary)"
        ) as copy:
            copy.set_types(["int8"] * 2 + ["int4"] * 5 + ["text", "text", "halfvec"])
            for n, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
                copy.write_row(
                    (
                        index_id,
                        start + n,
                        1,
                        0,
                        0,
                        len(text),
                        0,
                        "english",
                        text,
                        HalfVector(vector),
                    )
                )
        cursor.execute(
            "update ragpg.index_documents set document_version = 1, chunk_count = 1,"
            " indexed_at = now(), pending_since = null where index_id = %s",
            (index_id,),
        )


if __name__ == "__main__":
    main()
