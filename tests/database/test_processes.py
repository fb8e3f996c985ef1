"""Forked processes, ended connections, poolers: nobody else's rows, and no failed request."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.database import embedded
from ragpg.models import open_embedder

from ..conftest import WordEmbedder

FORK = multiprocessing.get_context("fork")


def topics(client: ragpg.Client, count: int = 40) -> ragpg.Collection:
    """A collection whose documents are each found by their own word."""
    held = client.collection("topics")
    held.add(records=[{"text": f"Note on subject{n}.", "source": str(n)} for n in range(count)])
    return held


def wrong_hits(held: ragpg.Collection, first: int, rounds: int = 40) -> list[str]:
    """Returns the searches that did not bring the document that was asked for."""
    wrong = []
    for number in range(first, first + rounds):
        asked = number % 40
        hits = held.search(f"subject{asked}", 1, mode="keyword")
        if [hit.source for hit in hits] != [str(asked)]:
            wrong.append(f"{asked}: {[hit.source for hit in hits]}")
    return wrong


def in_children(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Returns what forked processes returned, each within 30 s."""
    queue = FORK.Queue()

    def run(number: int) -> None:
        try:
            queue.put(work(number))
        except BaseException as error:
            queue.put(f"{type(error).__name__}: {error}")

    children = [FORK.Process(target=run, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    found = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    return found


# Forks -------------------------------------------------------------------------------------------


def test_a_fork_asks_by_connections_of_its_own(client: ragpg.Client) -> None:
    """As gunicorn with preload, celery and multiprocessing do, while the parent's pool is in use."""
    held = topics(client)
    stop = threading.Event()
    wrong: list[str] = []

    def ask_on() -> None:
        while not stop.is_set():
            wrong.extend(wrong_hits(held, 3, 5))

    threads = [threading.Thread(target=ask_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert in_children(4, lambda number: wrong_hits(held, 7 * number)) == [[]] * 4
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert wrong_hits(held, 0) == [], "the parent's connections are still the parent's"


def test_a_fork_within_a_transaction_and_of_a_fork(client: ragpg.Client) -> None:
    held = topics(client)
    with client.database.connection() as connection:
        connection.execute("create temporary table mine (n integer)")
        assert in_children(1, lambda _: in_children(2, lambda n: wrong_hits(held, n))) == [[[], []]]
        row = connection.execute("select count(*) from mine").fetchone()
        assert row == (0,), "no child ended the parent's transaction"


def test_a_fork_while_a_question_is_embedded(url: str) -> None:
    """The lock is held by a thread that the child does not have."""

    class Slow(WordEmbedder):
        def embed_query(self, text: str) -> Any:
            time.sleep(0.5 if text == "slow" else 0)
            return super().embed_query(text)

    with ragpg.connect(url, embedder=Slow()) as client:
        held = topics(client)
        slow = threading.Thread(target=held.search, args=("slow",))
        slow.start()
        time.sleep(0.2)
        assert in_children(1, lambda _: len(held.search("refund"))) == [10]
        slow.join()


def test_a_fork_embeds_by_the_model_its_parent_loaded(url: str) -> None:
    """OpenMP's threads stay behind; a child that waits for them waits for good."""
    model = open_embedder("all-MiniLM-L6-v2")
    texts = ["What one is told about refunds. " * 20] * 40
    mine = model.embed_documents(texts)[0]
    (theirs,) = in_children(1, lambda _: [float(model.embed_documents(texts)[0] @ mine)])
    assert theirs == pytest.approx([1], abs=1e-3)


# Connections that the server ended -----------------------------------------------------------------


def test_connections_ended_while_idle_fail_no_request(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    held = topics(client)
    threads = [threading.Thread(target=wrong_hits, args=(held, 0, 5)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = sql.execute(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where application_name = 'ragpg' and datname = current_database()"
    ).fetchone()
    assert ended is not None and ended[0] > 1
    time.sleep(0.2)
    assert wrong_hits(held, 0, 20) == []
    assert held.delete("1")


def test_a_setting_that_changes_ends_no_connection(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    """A reload is told to idle connections, too: something to read, and no farewell."""
    held = topics(client)
    with client.database.connection() as connection:
        before = connection.info.backend_pid
    sql.execute("alter system set timezone = 'Asia/Tokyo'")
    try:
        sql.execute("select pg_reload_conf()")
        time.sleep(0.3)
        assert wrong_hits(held, 0, 3) == []
        with client.database.connection() as connection:
            assert connection.info.backend_pid == before
    finally:
        sql.execute("alter system reset timezone")
        sql.execute("select pg_reload_conf()")


def test_a_server_that_was_restarted(home: Path, words: WordEmbedder) -> None:
    url = embedded.start(home)
    ragpg.database.migrations.migrate(url)
    with ragpg.connect(url, embedder=words) as client:
        held = topics(client)
        embedded.stop(home)
        assert embedded.start(home) == url
        assert wrong_hits(held, 0, 20) == []


# A pooler that gives each transaction another connection -----------------------------------------

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.fixture
def pooled(url: str, server_home: Path) -> Iterator[str]:
    """The URL of PgBouncer in transaction mode, with two server connections, before a database."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed (Debian's package pgbouncer)")
    known = psycopg.conninfo.conninfo_to_dict(url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = server_home / f"pgbouncer-{port}.ini"
    settings.write_text(
        f"[databases]\n* = host={known['host']} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    # It does not run as root; the server's socket is in a folder of the server's own user.
    user = ["-u", Path(str(known["host"])).owner()] if os.getuid() == 0 else []
    process = subprocess.Popen([PGBOUNCER, *user, str(settings)], stderr=subprocess.DEVNULL)
    address = f"postgresql://postgres@127.0.0.1:{port}/{known['dbname']}?connect_timeout=5"
    try:
        for _ in range(100):
            try:
                psycopg.connect(address).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


def at_once(*works: Callable[[int], Any], rounds: int = 60) -> list[str]:
    """Returns the errors of works that were done so often, each by a thread of its own."""
    failed: list[str] = []

    def repeat(work: Callable[[int], Any]) -> None:
        for number in range(rounds):
            try:
                work(number)
            except Exception as error:
                failed.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_two_clients_of_a_pooler_run_their_own_statements(
    pooled: str, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    with (
        ragpg.connect(pooled, embedder=words) as first,
        ragpg.connect(pooled, embedder=words) as second,
    ):
        held, other = topics(first), second.collection("topics")
        failed = at_once(
            lambda n: held.versions.history(str(n % 40)),
            lambda n: other.delete(f"nobody{n}"),
            lambda n: wrong_hits(other, n, 1) == [] or pytest.fail("another's hits"),
            lambda n: held.documents(),
        )
        assert failed == []
        assert sql.execute("select count(*) from ragpg.documents").fetchone() == (40,)


def test_the_python_interface_through_a_pooler(pooled: str, words: WordEmbedder, url: str) -> None:
    """All that a program does day by day, by two clients, while another application writes."""
    with (
        ragpg.connect(pooled, embedder=words) as client,
        ragpg.connect(pooled, embedder=words) as again,
    ):
        topics(client)

        def work(asked: ragpg.Client, number: int) -> None:
            held = asked.collection("topics")
            mine = f"{id(asked)}-{number}"
            held.add(
                text=f"A refund of kind {mine}.",
                source=mine,
                metadata={"n": number, "of": id(asked)},
            )
            assert held.search("refund", 3, filter={"n": number})
            assert held.search(["refund", "money"], 3) and held.explain("refund")
            assert held.search("refund", 3, neighbours=1)
            # Of one's own: an answer that cites what the other erases goes with it.
            answer = held.ask("What is refunded?", filter={"n": number, "of": id(asked)})
            assert answer.id is not None
            asked.feedback(answer.id, "good")
            held.add(text=f"No refund of kind {mine}.", source=mine)
            assert len(held.versions.history(mine)) == 2
            assert held.delete(mine)
            assert held.versions.erase(mine)["documents"] + 1
            assert asked.collections() and asked.health.status() and held.indexes.status()

        assert at_once(lambda n: work(client, n), lambda n: work(again, n), rounds=8) == []
        made = client.collection("topics").indexes.create(chunk_tokens=30)
        with pytest.raises(errors.NeedsSession, match="the server itself"):
            client.collection("topics").indexes.fill(made.id)
        added = client.collection("topics").add(text="More of it.", source="more")
        assert (added.added, added.failed) == (1, 0)
    with ragpg.connect(url, embedder=words) as direct:
        assert direct.collection("topics").indexes.fill(made.id).failed == 0


def test_behind_a_pooler_a_path_is_a_transactions(pooled: str, words: WordEmbedder) -> None:
    """ragpg's own in each of its transactions, and nobody else's."""
    shown = "show search_path"
    with ragpg.connect(pooled, embedder=words) as client:
        topics(client, 3)
        with client.database.connection() as one, client.database.reading() as two:
            for connection in (one, two):
                assert connection.execute(shown).fetchone() == ("ragpg_internal, ragpg, pg_temp",)
        for _ in range(6):
            with psycopg.connect(pooled, prepare_threshold=None) as other:
                assert other.execute(shown).fetchone() == ('"$user", public',)


def test_what_only_reads_leaves_no_setting_behind(pooled: str) -> None:
    with ragpg.connect(pooled, read_only=True) as client:
        assert at_once(*[lambda _: client.collections()] * 4, rounds=10) == []
        write = "select ragpg.put_document('any', 'one', 'text')"
        with pytest.raises(errors.RagpgError, match="read-only"):
            client.database.execute(write)
        with (
            pytest.raises(errors.RagpgError, match="read-only"),
            client.database.reading() as connection,
        ):
            connection.execute(write)
        for _ in range(6):  # another application, by whichever server connection is free
            with psycopg.connect(pooled, prepare_threshold=None) as other:
                shown = other.execute("show default_transaction_read_only").fetchone()
                assert shown == ("off",)


def test_statements_are_prepared_where_the_server_itself_is_asked(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    """Searches are quicker by it."""
    held = topics(client)
    wrong_hits(held, 0, 10)
    with client.database.reading() as connection:
        named = connection.execute("select count(*) from pg_prepared_statements").fetchone()
    assert named is not None and named[0] > 0
