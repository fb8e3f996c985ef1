"""What SQL writes is indexed by workers: once, whatever is killed, and nobody waits for a bad one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.models.embedding import Progress, Vectors

from ..conftest import ROOT, WordEmbedder
from .adding import CHECK, value

QUEUE = "select count(*) from ragpg.ingest_queue"


def put(sql: psycopg.Connection, source: str, content: str, collection: str = "one") -> None:
    sql.execute("select ragpg.put_document(%s, %s, %s)", (collection, source, content))


def test_what_sql_wrote_is_indexed(client: ragpg.Client, sql: psycopg.Connection) -> None:
    put(sql, "a", "The refund takes five days.")
    sql.execute(
        "insert into ragpg.documents (collection_id, source, content, title, metadata)"
        " values (1, 'b', 'The rate limit is ten.', 'Limits', '{\"tier\": \"pro\"}')"
    )
    queue = "select source, version, indexed_version, attempts, error from ragpg.ingest_queue order by 1"
    assert sql.execute(queue).fetchall() == [("a", 1, None, 0, None), ("b", 1, None, 0, None)]
    assert client.collection("one").search("refund") == []
    report = client.worker().drain()
    assert (report.indexed, report.failed, report.chunks_embedded) == (2, 0, 2)
    assert value(sql, QUEUE) == 0
    hits = client.collection("one").search("rate limit", filter='$.tier == "pro"')
    assert [(hit.source, hit.context) for hit in hits] == [("b", "Limits")]
    put(sql, "a", "The refund takes six days.")
    assert sql.execute(queue).fetchall() == [("a", 2, 1, 0, None)]
    assert client.collection("one").search("refund")[0].content == "The refund takes five days."
    assert client.worker().drain().indexed == 1
    assert client.collection("one").search("refund")[0].content == "The refund takes six days."
    assert client.worker().drain().indexed == 0


def test_pages_are_kept(client: ragpg.Client, sql: psycopg.Connection) -> None:
    text = "Refund. " * 40 + "\n\n" + "Login. " * 40 + "\n\n" + "Uptime. " * 40
    starts = [0, text.index("Login"), text.index("Uptime")]
    sql.execute("select ragpg.put_document('one', 'a', %s, page_starts => %s)", (text, starts))
    client.worker().drain()
    rows = sql.execute(
        "select page, string_agg(distinct split_part(content, '.', 1), ' ') from ragpg.chunks group by 1 order by 1"
    ).fetchall()
    assert rows == [(1, "Refund"), (2, "Login"), (3, "Uptime")]
    assert client.collection("one").search("login", k=1)[0].page == 2


class Picky(WordEmbedder):
    """Fails on every batch that holds a certain word."""

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        if any("poison" in text for text in texts):
            raise RuntimeError("cannot embed this")
        return super().embed_documents(texts, progress)


def test_a_poisoned_document_backs_off_and_holds_up_nobody(
    url: str, sql: psycopg.Connection
) -> None:
    with ragpg.connect(url, embedder=Picky()) as client:
        for n in range(20):
            put(sql, f"good{n:02}", f"The rate limit is {n}.")
        put(sql, "bad", "A poison.")
        report = client.worker().drain()
        assert (report.indexed, report.failed) == (20, 1)
        waiting = "select source, attempts, error, next_attempt_at > now() from ragpg.ingest_queue"
        error = "the embedding model failed: cannot embed this"
        assert sql.execute(waiting).fetchall() == [("bad", 1, error, True)]
        assert value(sql, "select failed_documents from ragpg.index_health") == 1
        assert client.worker().drain().failed == 0, "it is not tried again at once"
        sql.execute("update ragpg.index_documents set next_attempt_at = now()")
        assert client.worker().drain().failed == 1
        wait = "select extract(epoch from next_attempt_at - now()) from ragpg.ingest_queue"
        assert 5 < value(sql, wait) <= 10, "twice the first wait"
        put(sql, "bad", "Cured.")
        assert sql.execute(waiting).fetchall() == [("bad", 0, None, False)]
        assert client.worker().drain().indexed == 1
    assert value(sql, QUEUE) == 0


def test_a_model_that_cannot_be_opened_is_told_in_the_queue(
    client: ragpg.Client, url: str, sql: psycopg.Connection
) -> None:
    client.collection("one").add(text="The rate limit.", source="a")
    other = WordEmbedder()
    other.name = "other"
    put(sql, "b", "The refund.")
    with ragpg.connect(url, embedder=other) as stranger:
        assert stranger.worker().drain().failed == 1
    assert "RAGPG_EMBEDDING_MODEL=words" in value(sql, "select error from ragpg.ingest_queue")


def test_reading_what_was_written(client: ragpg.Client, sql: psycopg.Connection) -> None:
    client.collection("one").add(text="The rate limit.", source="a")
    assert client.collection("one").wait_until_indexed(timeout=0.1)
    put(sql, "b", "The refund takes five days.")
    assert not client.collection("one").wait_until_indexed("b", timeout=0.1)
    stop = threading.Event()
    thread = threading.Thread(target=client.worker().run, args=(stop,))
    thread.start()
    try:
        assert client.collection("one").wait_until_indexed("b", timeout=20)
        put(sql, "c", "The refund takes six days.")
        waited = "select ragpg.wait_until_indexed('one', 'c', '20 s')"
        assert value(sql, waited), "woken by the notification"
        assert client.collection("one").search("six", k=1)[0].source == "c"
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    with sql.transaction(), pytest.raises(psycopg.Error, match="no worker sees it") as raised:
        put(sql, "d", "x")
        sql.execute("select ragpg.wait_until_indexed('one')")
    assert raised.value.sqlstate == "RG005"


def test_a_worker_outlives_its_connection(client: ragpg.Client, sql: psycopg.Connection) -> None:
    put(sql, "a", "The rate limit.")
    stop = threading.Event()
    thread = threading.Thread(target=client.worker().run, args=(stop, 0.5))
    thread.start()
    try:
        assert client.collection("one").wait_until_indexed(timeout=20)
        sql.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        put(sql, "b", "The refund.")
        assert value(sql, "select ragpg.wait_until_indexed('one', timeout => '30 s')")
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


WORKER = """
import sys, time
sys.path.insert(0, {root!r})
import ragpg, ragpg.cli.entry
from tests.conftest import WordEmbedder

class Slow(WordEmbedder):
    def embed_documents(self, texts, progress=None):
        time.sleep(len(texts) * 0.002)
        return super().embed_documents(texts, progress)

original = ragpg.client.connect
ragpg.client.connect = lambda **options: original({url!r}, embedder=Slow())
sys.argv = ["ragpg", "worker"]
ragpg.cli.entry.main()
"""


def start_worker(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER.format(root=str(ROOT), url=url)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def workers(url: str) -> Iterator[list[subprocess.Popen[str]]]:
    started = [start_worker(url), start_worker(url)]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_two_workers_a_writer_and_kills(
    url: str, sql: psycopg.Connection, workers: list[subprocess.Popen[str]]
) -> None:
    """2,000 documents by SQL while each second a random worker is killed and replaced.

    Long, because writer, workers and kills happen at once.
    """
    random.seed(4)
    # Every time a document's chunks are written, this notes it.
    sql.execute("create table public.written (document_id bigint, document_version integer)")
    sql.execute("grant insert on public.written to ragpg_owner")  # as which workers write
    sql.execute(
        """
        create function public.note() returns trigger language plpgsql as $$
        begin
            if new.document_version is distinct from old.document_version then
                insert into public.written values (new.document_id, new.document_version);
            end if;
            return null;
        end $$
        """
    )
    sql.execute(
        "create trigger note after update on ragpg.index_documents"
        " for each row execute function public.note()"
    )
    written = threading.Event()

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as writer:
            for n in range(2000):
                put(writer, f"d{n:04}", f"Document {n}: the rate limit is {n}. " * 3)
                time.sleep(0.002)
        written.set()

    thread = threading.Thread(target=write)
    thread.start()
    kills = 0
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        time.sleep(1)
        if written.is_set() and value(sql, QUEUE) == 0:
            break
        if kills < 12:
            victim = random.randrange(2)
            os.kill(workers[victim].pid, signal.SIGKILL)
            workers[victim].communicate()
            workers[victim] = start_worker(url)
            kills += 1
    thread.join()
    assert kills > 2
    assert value(sql, QUEUE) == 0
    assert value(sql, "select count(*) from ragpg.index_documents where chunk_count > 0") == 2000
    assert value(sql, CHECK) == 0
    twice = "select count(*) - count(distinct (document_id, document_version)) from public.written"
    assert value(sql, twice) == 0, "a document was indexed twice"
    claiming = (
        "select count(*) from pg_stat_activity"
        " where query like '%claim_documents%' and pid <> pg_backend_pid()"
    )
    while value(sql, claiming) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)  # the one that was started last is beginning still
    for process in workers:  # and a graceful stop
        process.send_signal(signal.SIGTERM)
    told = [process.communicate(timeout=60) for process in workers]
    assert [process.returncode for process in workers] == [0, 0], told
    assert all("stopped" in text for text, _ in told)


def test_writing_sql_never_waits_for_a_worker(url: str, sql: psycopg.Connection) -> None:
    """While a worker holds a claim and its model is busy, the document can be changed."""
    put(sql, "a", "The rate limit.")
    busy, go_on = threading.Event(), threading.Event()

    class Busy(WordEmbedder):
        def embed_documents(
            self, texts: Sequence[str], progress: Progress | None = None
        ) -> Vectors:
            if any("rate" in text for text in texts):
                busy.set()
                assert go_on.wait(20)
            return super().embed_documents(texts, progress)

    with ragpg.connect(url, embedder=Busy()) as client:
        thread = threading.Thread(target=client.worker().drain)
        thread.start()
        try:
            assert busy.wait(20)
            sql.execute("set lock_timeout = '2s'")
            put(sql, "a", "The refund.")
            assert value(sql, "select count(*) from ragpg_internal.claim_documents()") == 0, (
                "it is claimed"
            )
        finally:
            go_on.set()
            thread.join(20)
        hits = client.collection("one").search("refund")
        assert [hit.content for hit in hits] == ["The refund."], (
            "the newer version, by the same run"
        )
    assert value(sql, QUEUE) == 0


def test_a_writer_role_works(client: ragpg.Client, sql: psycopg.Connection) -> None:
    sql.execute("create role worker_role")
    try:
        sql.execute("select ragpg.grant_writer('worker_role')")
        sql.execute("set role worker_role")
        put(sql, "a", "The rate limit.")
        sql.execute("reset role")
        assert client.worker().drain().indexed == 1
        sql.execute("set role worker_role")
        put(sql, "a", "The new rate limit.")
        claimed = sql.execute(
            "select index_id, document_id, version from ragpg_internal.claim_documents()"
        )
        row = claimed.fetchone()
        assert row is not None
        sql.execute("select ragpg_internal.release_document(%s, %s, %s, 'tired')", row)
        assert value(sql, "select error from ragpg.ingest_queue") == "tired"
    finally:
        sql.execute("reset role")
        sql.execute("drop owned by worker_role")
        sql.execute("drop role worker_role")


def test_add_indexes_what_waits_too(client: ragpg.Client, sql: psycopg.Connection) -> None:
    put(sql, "a", "The rate limit.")
    report = client.collection("one").add(text="The refund.", source="b")
    assert (report.added, report.chunks_embedded) == (1, 2)
    assert value(sql, QUEUE) == 0


def test_an_unknown_search_index(client: ragpg.Client) -> None:
    with pytest.raises(errors.UnknownCollection):
        client.collection("one").wait_until_indexed()
