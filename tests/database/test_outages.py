"""A server that is gone, comes back, or has every connection in use: one clear error, or none."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.database import Database, embedded

from ..conftest import WordEmbedder
from .test_processes import topics, wrong_hits


def test_a_server_that_is_gone_is_one_error_and_its_return_none(
    home: Path, words: WordEmbedder
) -> None:
    url = embedded.start(home)
    ragpg.database.migrations.migrate(url)
    with ragpg.connect(url, embedder=words) as client:
        held = topics(client)
        embedded.stop(home)
        for _ in range(3):
            with pytest.raises(errors.ConnectionFailed, match="cannot be reached") as caught:
                held.search("refund")
            assert "no connection became free" not in str(caught.value)
        assert embedded.start(home) == url
        assert wrong_hits(held, 0, 5) == []


def test_the_embedded_server_is_started_again_by_who_needs_it(
    home: Path, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By several threads at once; what was in it is there."""
    monkeypatch.setenv("RAGPG_HOME", str(home))
    monkeypatch.delenv("RAGPG_DATABASE_URL", raising=False)
    with ragpg.connect(embedder=words) as client:
        held = topics(client)
        kill(home)
        wrong: list[str] = []
        threads = [
            threading.Thread(target=lambda: wrong.extend(wrong_hits(held, 0, 3))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert embedded.status(home).running
        assert held.delete("1")


def kill(home: Path) -> None:
    """Ends the server as a full disk or the kernel does."""
    pid = embedded.status(home).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while embedded.status(home).running and time.monotonic() < until:
        time.sleep(0.05)


def test_a_server_that_a_person_stopped_stays_so(
    home: Path, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGPG_HOME", str(home))
    monkeypatch.delenv("RAGPG_DATABASE_URL", raising=False)
    with ragpg.connect(embedder=words) as client:
        held = topics(client)
        embedded.stop(home)
        with pytest.raises(errors.ConnectionFailed, match="cannot be reached"):
            held.search("refund")
        assert not embedded.status(home).running
        with ragpg.connect(embedder=words) as another:  # a command starts it
            assert wrong_hits(another.collection("topics"), 0, 2) == []
        assert wrong_hits(held, 0, 2) == []


def test_an_embedded_server_that_cannot_start_says_why(
    home: Path, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGPG_HOME", str(home))
    monkeypatch.delenv("RAGPG_DATABASE_URL", raising=False)
    with ragpg.connect(embedder=words) as client:
        held = topics(client)
        kill(home)
        settings = embedded.data_folder(home) / "postgresql.auto.conf"
        kept = settings.read_text()
        settings.write_text("shared_buffers = 'not a size'\n")
        with pytest.raises(errors.EmbeddedServerError, match=r"did not start: .*FATAL"):
            held.search("refund")
        settings.write_text(kept)
        assert wrong_hits(held, 0, 3) == []


def test_a_pool_that_is_in_use_is_waited_for(url: str) -> None:
    database = Database(url, max_size=1, timeout=8)
    try:
        with database.connection():
            waiting: list[int] = []
            thread = threading.Thread(target=lambda: waiting.append(database.value("select 1")))
            thread.start()
            time.sleep(2.5)
            assert waiting == []
        thread.join()
        assert waiting == [1]
    finally:
        database.close()


def test_a_role_that_lost_its_right_to_connect_is_told_why(url: str) -> None:
    """The server answers: it is not the pool that is in use."""
    database = Database(url, max_size=1, timeout=1)
    try:
        with database.connection() as connection:
            name = connection.info.dbname
        with psycopg.connect(url.replace(f"/{name}", "/postgres"), autocommit=True) as other:
            other.execute(f'alter database "{name}" allow_connections false'.encode())
            # Ended before the next call, not at that moment: within ten seconds.
            other.execute("select pg_terminate_backend(%s, 10000)", (connection.info.backend_pid,))
            try:
                with pytest.raises(errors.RagpgError, match="not currently accepting connections"):
                    database.value("select 1")
            finally:
                other.execute(f'alter database "{name}" allow_connections true'.encode())
    finally:
        database.close()


def test_a_pool_that_stays_in_use_says_so(url: str) -> None:
    database = Database(url, max_size=1, timeout=0.5)
    try:
        with database.connection(), pytest.raises(errors.ConnectionFailed, match="all 1 are in"):
            database.value("select 1")
    finally:
        database.close()
