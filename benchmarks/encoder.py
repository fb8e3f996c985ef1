"""How long does the database take to embed a question, and is it what torch makes of it?

    python -m benchmarks.encoder            # prints the table

Milliseconds (median of 11) and cosine by the question's tokens, on a server of its own.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.encoders import load_encoder
from ragpg.models import SentenceTransformerEmbedder

RUNS = 11
WORDS = "how long do refunds take on the pro plan when you paid for it in advance by card"
_ENCODE = "select ragpg_internal.encode(%s, ragpg_internal.query_tokens(%s, %s))::real[]"


def main() -> None:
    model = SentenceTransformerEmbedder(exact=True)
    reference: Any = model.load()
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        try:
            migrate(url)
            with psycopg.connect(url, autocommit=True) as sql:
                measure(sql, model.folder(), reference)
        finally:
            embedded.stop(Path(home))


def measure(sql: psycopg.Connection[Any], folder: Path, reference: Any) -> None:
    row = sql.execute(
        "insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe) "
        "values ('benchmark', 'minilm', 384, 254, array_fill(0.1::real, array[384])::vector) "
        "returning id"
    ).fetchone()
    assert row is not None
    key = row[0]
    load_encoder(sql, key, folder)
    sql.execute("vacuum analyze")
    print("tokens      ms   cosine to torch")
    for tokens in (8, 16, 32, 64):
        text = " ".join((WORDS.split() * 5)[: tokens - 2])
        while len(reference.tokenizer(text)["input_ids"]) > tokens:
            text = text.rsplit(" ", 1)[0]
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            found = sql.execute(_ENCODE, (key, key, text)).fetchone()
            times.append((time.perf_counter() - start) * 1000)
        assert found is not None
        cosine = np.array(found[0], np.float64) @ reference.encode_query(text)
        print(f"{tokens:6} {statistics.median(times):7.1f} {cosine:17.8f}")


if __name__ == "__main__":
    main()
