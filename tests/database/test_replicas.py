"""Searches of a real standby: what it has not got yet, and what it cannot do, the primary answers."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

import ragpg
from ragpg.database import embedded, replicas
from ragpg.database.migrations import migrate
from ragpg.database.replicas import Replicated

from ..conftest import WordEmbedder

SEARCHES = int(os.environ.get("RAGPG_SEARCHES", "400"))  # while the standby is killed
GONE, BACK = "searches go to the primary", "searches go to the read replica again"


@dataclass
class Standby:
    """A standby of the embedded server by streaming replication, with a socket of its own."""

    primary: str
    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres:@/ragpg?host={self.folder}"

    def run(self, program: str, *arguments: str) -> None:
        user = None if os.getuid() else self.folder.owner()
        subprocess.run(
            [str(embedded.bin_folder() / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd="/",
        )

    def make(self) -> None:
        self.run("pg_basebackup", "-d", self.primary, "-D", str(self.folder), "-R", "-c", "fast")
        with (self.folder / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"unix_socket_directories = '{self.folder}'\nlisten_addresses = ''\n")
        (self.folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)  # copied: the primary's
        self.start()

    def start(self) -> None:
        self.run("pg_ctl", "start", "-D", str(self.folder), "-w", "-l", f"{self.folder}/log")

    def kill(self) -> None:
        pid = int((self.folder / "postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.02)

    def value(self, statement: str) -> object:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row and row[0]


@contextmanager
def standing_by(primary: str, home: Path, name: str) -> Iterator[Standby]:
    folder = home / name
    folder.mkdir(mode=0o700)
    shutil.chown(folder, embedded.data_folder(home).owner())
    found = Standby(primary, folder)
    found.make()
    yield found
    found.run("pg_ctl", "stop", "-D", str(folder), "-m", "immediate")


@pytest.fixture
def standby(home: Path) -> Iterator[Standby]:
    primary = embedded.start(home)
    migrate(primary)
    with standing_by(primary, home, "standby") as found:
        yield found


@pytest.fixture
def client(standby: Standby, words: WordEmbedder) -> Iterator[ragpg.Client]:
    with ragpg.connect(standby.primary, embedder=words, read_url=standby.url) as client:
        client.collection("docs").add(text="The money refund.", source="first")
        assert isinstance(client.database, Replicated)
        until = time.monotonic() + 60  # a busy machine's standby lags
        while not standby.value(
            f"select pg_last_wal_replay_lsn() >= '{client.database.position()}'"
        ):
            assert time.monotonic() < until
            time.sleep(0.05)
        yield client


def searches(url: str) -> int:
    """Returns how many of ragpg's connections there searched last."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where application_name = 'ragpg'"
            " and query like '%ragpg.search(%'"
        ).fetchone()
    assert row
    return int(row[0])


def test_searches_go_to_the_standby_and_see_what_was_written(
    client: ragpg.Client,
    standby: Standby,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replicas, "_LONGEST_LAG", 60.0)  # a busy machine's standby lags
    docs = client.collection("docs")
    for number in range(10):
        docs.add(text=f"The rate limit is {number}.", source=str(number))
        assert len(docs.search("limit", k=100, filter="exists ($)")) == number + 2
    assert docs.delete("3") and "3" not in [hit.source for hit in docs.search("limit", k=100)]
    answer = docs.ask("What is the refund?")
    assert answer.id == 1, "stored on the primary"
    assert searches(standby.url) and not searches(standby.primary)
    assert GONE not in caplog.text


@pytest.mark.parametrize("whose", ["own", "another's"])
def test_what_was_written_is_waited_for(
    client: ragpg.Client,
    standby: Standby,
    words: WordEmbedder,
    caplog: pytest.LogCaptureFixture,
    whose: str,
) -> None:
    docs = client.collection("docs")
    docs.search("refund")
    standby.value("select pg_wal_replay_pause()")
    if whose == "own":
        docs.add(text="A late refund.", source="late")
    else:
        with ragpg.connect(standby.primary, embedder=words, read_url=standby.url) as other:
            other.collection("docs").add(text="A late refund.", source="late")
            assert [hit.source for hit in docs.search("refund")] == ["first"], "nobody said a word"
            assert isinstance(client.database, Replicated)
            assert isinstance(other.database, Replicated)
            client.database.wait_for(other.database.position())
    assert len(docs.search("refund")) == 2, "the primary's, as the standby lags"
    assert caplog.text.count(GONE) == 1 and "lags behind" in caplog.text
    standby.value("select pg_wal_replay_resume()")
    until = time.monotonic() + 30
    while BACK not in caplog.text and time.monotonic() < until:
        assert len(docs.search("refund")) == 2
        time.sleep(0.05)
    assert caplog.text.count(BACK) == 1


def test_a_position_that_another_thread_asks_for_is_waited_for(
    client: ragpg.Client, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread's search asked for the position; the writer's own read the old replica meanwhile."""
    docs = client.collection("docs")
    docs.search("refund")
    standby.value("select pg_wal_replay_pause()")
    docs.add(text="A late refund.", source="late")
    asked, go_on = threading.Event(), threading.Event()
    position = Replicated.position

    def slow(self: Replicated) -> str:
        asked.set()
        assert go_on.wait(30)
        return position(self)

    monkeypatch.setattr(Replicated, "position", slow)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(docs.search("refund")))) for _ in range(2)
    ]
    threads[0].start()
    assert asked.wait(30)
    threads[1].start()
    threads[1].join(1)  # it would be back by now
    go_on.set()
    for thread in threads:
        thread.join()
    assert found == [2, 2]


def test_each_of_several_standbys_is_asked_for_itself(
    standby: Standby, home: Path, words: WordEmbedder
) -> None:
    """One had replayed the write, and the read went to the other."""
    with standing_by(standby.primary, home, "other") as other:
        both = f"postgresql://postgres:@/ragpg?host={standby.folder},{other.folder}"
        read_url = f"{both}&load_balance_hosts=random"
        with ragpg.connect(standby.primary, embedder=words) as client:
            client.collection("docs").add(text="The money refund.", source="first")
        for _ in range(20):  # a pool's few connections may all be of one
            client = ragpg.connect(standby.primary, embedder=words, read_url=read_url)
            docs = client.collection("docs")
            with client, ThreadPoolExecutor(8) as threads:
                list(threads.map(docs.search, ["refund"] * 200))
                if not (searches(standby.url) and searches(other.url)):
                    continue
                other.value("select pg_wal_replay_pause()")
                docs.add(text="A late refund.", source="late")
                found = threads.map(docs.search, ["refund"] * 200)
                assert {len(hits) for hits in found} == {2}
                return
        pytest.fail("all connections went to one of two standbys")


def test_no_search_fails_while_the_standby_is_killed(
    client: ragpg.Client, standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ragpg")
    docs = client.collection("docs")
    wrong: list[str] = []
    done = 0

    def search(name: int) -> None:
        nonlocal done
        for number in range(SEARCHES // 4):
            try:
                if number % 20 == 0:
                    docs.add(text=f"The refund {name}.", source=f"{name}-{number}")
                    found = {hit.source for hit in docs.search("refund", k=1000)}
                    if f"{name}-{number}" not in found:
                        wrong.append(f"{name}-{number} is not among {len(found)}")
                elif not docs.search("refund", k=3):
                    wrong.append("nothing found")
            except Exception as error:
                wrong.append(repr(error))
            done += 1

    threads = [threading.Thread(target=search, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for share in (0.2, 0.6):
        while done < share * SEARCHES and any(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        standby.kill()
        time.sleep(0.5)
        standby.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and done == SEARCHES // 4 * 4
    until = time.monotonic() + 60
    while BACK not in caplog.text.rpartition(GONE)[2] or not searches(standby.url):
        assert time.monotonic() < until, caplog.text
        assert docs.search("refund")
        time.sleep(0.05)
