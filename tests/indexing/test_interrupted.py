"""Ctrl-C, SIGTERM and kills in the middle: what is embedded is stored soon, and told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

import ragpg
from ragpg.indexing.batching import FEWEST, MOST, in_batches
from ragpg.models.embedding import Progress, Vectors

from ..conftest import ROOT, WordEmbedder
from .adding import value

# `ragpg add` and `worker`, with an embedder that takes a while.
COMMAND = """
import sys, time
sys.path.insert(0, {root!r})
from tests.conftest import WordEmbedder
import ragpg.models.opening
from ragpg.cli import main

class Slow(WordEmbedder):
    def embed_documents(self, texts, progress=None):
        time.sleep(len(texts) * 0.02)
        return super().embed_documents(texts, progress)

ragpg.models.opening.open_embedder = lambda name: Slow()
main()
"""


def start(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(root=str(ROOT)), *arguments],
        env={**os.environ, "RAGPG_DATABASE_URL": url, "TERM": "dumb"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(sql: psycopg.Connection, statement: str) -> None:
    deadline = time.monotonic() + 60
    while not value(sql, statement) and time.monotonic() < deadline:
        time.sleep(0.02)


def pages(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        (folder / f"{n}.md").write_text(f"The refund number {n} takes five days.")
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_add_keeps_and_tells_what_it_did(
    url: str, sql: psycopg.Connection, tmp_path: Path, number: signal.Signals
) -> None:
    folder = pages(tmp_path / "docs", 400)
    process = start(url, "add", str(folder), "-c", "pages", "--json")
    wait_for(sql, "select count(*) from ragpg.documents")
    process.send_signal(number)
    told, complaint = process.communicate(timeout=60)
    stored = value(sql, "select count(*) from ragpg.document_status where indexed")
    assert process.returncode == 130, complaint
    assert 0 < stored < 400
    assert json.loads(told)["added"] == stored
    assert "what is told above is kept, the same command continues" in complaint
    assert "Traceback" not in complaint


def test_a_stopped_worker_stores_what_is_at_hand_and_gives_the_rest_back(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    for n in range(20):
        text = "\n\n".join(f"# Refund {m}\n\n" + f"refund {n} {m} " * 30 for m in range(8))
        sql.execute("select ragpg.put_document('one', %s, %s)", (str(n), text))
    stop = threading.Event()
    worker = client.worker()
    worker.on_progress = lambda done: stop.set()
    done = worker.drain(stop)
    assert 0 < done.indexed < 20
    assert (done.indexed, done.failed) == (
        20 - value(sql, "select count(*) from ragpg.ingest_queue"),
        0,
    )
    assert client.worker().drain().indexed == 20 - done.indexed  # nothing is held


def test_a_worker_killed_again_and_again_gets_on(url: str, sql: psycopg.Connection) -> None:
    for n in range(300):
        sql.execute("select ragpg.put_document('one', %s, %s)", (str(n), f"refund {n}"))
    waiting = 300
    for _ in range(3):
        process = start(url, "worker", "--once")
        wait_for(sql, f"select count(*) < {waiting} from ragpg.ingest_queue")
        process.kill()
        process.communicate()
        left = value(sql, "select count(*) from ragpg.ingest_queue")
        assert left < waiting
        waiting = left
    assert waiting > 0


def test_batches_grow_as_the_model_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("ragpg.indexing.batching.time.monotonic", lambda: now[0])

    def sizes(seconds_a_chunk: float, documents: list[int]) -> list[int]:
        found = []
        for batch in in_batches(documents, lambda one: one):
            found.append(sum(batch))
            now[0] += seconds_a_chunk * sum(batch)
        return found

    assert sizes(1.0, [1] * 100) == [FEWEST, FEWEST, FEWEST, 4]
    assert sizes(1 / 64, [1] * 300) == [FEWEST, 128, 128, 12]
    assert sizes(0.0, [1] * 1100) == [FEWEST, MOST, MOST, 44]
    assert sizes(1.0, [500, 1]) == [500, 1]  # a document is stored whole
    assert sizes(1.0, []) == []


def test_progress_counts_chunks(url: str, tmp_path: Path) -> None:
    class InPieces(WordEmbedder):
        def embed_documents(
            self, texts: Sequence[str], progress: Progress | None = None
        ) -> Vectors:
            for _ in texts:
                (progress or (lambda count: None))(1)
            return super().embed_documents(texts)

    told: list[tuple[int, float]] = []

    def listen(*, documents: int, total: int, chunks: int, share: float) -> None:
        assert total == 2
        told.append((documents, share))

    long = "\n\n".join(f"Refund {n}. " + "Money comes back in five days. " * 12 for n in range(40))
    with ragpg.connect(url, embedder=InPieces()) as client:
        held = client.collection("docs")
        records = [{"source": "long", "text": long}, {"source": "short", "text": "Login."}]
        held.add(records=records, progress=listen)
        within = [share for documents, share in told if documents == 0]
        assert len(set(within)) > 40 and within == sorted(within) and within[0] == 0
        assert told[-1] == (2, 1.0)
        told.clear()
        held.add(records=records, progress=listen)
        assert told == [(2, 1.0)], "all of them are unchanged"
