"""The verbs for asyncio: the same results, cancelled on the server, fair to all who wait."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import AsyncCollection, errors
from ragpg.models import make_client

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer, answer, cut_stream, text_block

TEXTS = {"refunds": "A refund takes five days.", "limits": "The rate limit is 1,000 requests."}


@asynccontextmanager
async def filled(url: str, **options: Any) -> AsyncIterator[AsyncCollection]:
    async with ragpg.connect_async(url, embedder=WordEmbedder(), **options) as client:
        pages = client.collection("pages")
        await pages.add(records=[{"source": one, "text": text} for one, text in TEXTS.items()])
        yield pages


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def run() -> Run:
    return lambda test: asyncio.run(asyncio.wait_for(test, 60))


async def until(sql: psycopg.Connection, running: bool, word: str = "ragpg.search") -> None:
    """Waits until a statement with the word in it is running on the server, or none is any more."""
    found = not running
    while found != running:
        await asyncio.sleep(0.01)
        sql.execute("select pg_stat_clear_snapshot()")  # of a transaction that holds a lock
        rows = sql.execute(
            """
            select from pg_stat_activity
            where application_name = 'ragpg' and state = 'active' and datname = current_database()
                and strpos(query, %s) > 0
            """,
            (word,),
        ).fetchall()
        found = bool(rows)


def test_the_verbs_do_what_the_clients_do(url: str, client: ragpg.Client, run: Run) -> None:
    async def test() -> None:
        async with filled(url) as pages:
            same = client.collection("pages")
            assert pages.name == "pages"
            assert await pages.search("refund", k=1) == same.search("refund", k=1)
            assert await pages.explain("refund") == same.explain("refund")
            assert await pages.documents() == same.documents()
            assert [one.source for one in same.documents()] == ["limits", "refunds"]
            assert (await pages.ask("refund")).text == same.ask("refund").text
            assert await pages.wait_until_indexed()
            hits = await pages.search("refund")
            assert (await pages.embeddings(hits)).tolist() == same.embeddings(hits).tolist()
            assert await pages.update_metadata({"tier": "pro"}, sources=["refunds"]) == ["refunds"]
            assert await pages.delete_many(filter={"tier": "pro"}, dry_run=True) == ["refunds"]
            assert await pages.delete("limits") and not await pages.delete("limits")
            assert [one.source for one in same.documents()] == ["refunds"]

    run(test())


def test_every_verb_is_there_but_watch() -> None:
    """Which runs until it is stopped."""
    for sync, awaited, others in (
        (ragpg.Collection, AsyncCollection, {"watch"}),
        (ragpg.Client, ragpg.AsyncClient, {"worker", "close"}),
    ):
        verbs = {name for name, one in vars(sync).items() if callable(one) and name[0] != "_"}
        assert {one for one in verbs if not hasattr(awaited, one)} <= others
        assert all(
            getattr(awaited, one).__doc__ == getattr(sync, one).__doc__ for one in verbs - others
        )


def test_a_client_for_what_is_not_a_collections(url: str, run: Run) -> None:
    async def test() -> None:
        client = await ragpg.connect_async(url, embedder=WordEmbedder())
        pages = client.collection("pages")
        report = await pages.add(text="A refund takes five days.", source="refunds")
        assert (report.added, report.failed) == (1, 0)
        assert [one["collection"] for one in await client.collections()] == ["pages"]
        assert (await client.server())["postgres"]
        text = await client.run(pages.sync.versions.text, "refunds")
        assert text == "A refund takes five days."
        answer = await pages.ask("refund")
        assert answer.id is not None
        assert await client.feedback(answer.id, "good") == 1
        assert await client.drop_collection("pages") == 1
        await client.close()
        with pytest.raises(RuntimeError):
            await pages.search("refund")

    run(test())


def test_what_goes_wrong_is_raised_where_it_is_awaited(url: str, run: Run) -> None:
    async def test() -> None:
        async with filled(url) as pages:
            with pytest.raises(errors.BadFilter):
                await pages.search("refund", filter="$.tier ==")
            with pytest.raises(errors.BadArgument, match="search: k is"):
                await pages.search("refund", k="ten")  # type: ignore[arg-type]
        with pytest.raises(errors.SettingsError):
            async with ragpg.connect_async("mysql://nobody@nowhere/none"):
                pass

    run(test())


# Answers that stream ---------------------------------------------------------------------------


def test_an_answer_is_awaited_iterated_or_both(url: str, run: Run) -> None:
    async def test(claude: MessagesServer) -> None:
        sdk = make_client(api_key="test", base_url=claude.url)
        async with filled(url, anthropic_client=sdk) as pages:
            awaited = await pages.ask("What is the rate limit?")
            assert awaited.grounded
            asking = pages.ask("What is the rate limit?")
            texts = [text async for text in asking]
            assert len(texts) > 1 and "".join(texts) == awaited.text
            written = await asking
            assert written.citations == awaited.citations
            assert len(claude.requests) == 2  # awaiting what was iterated asks nobody again

    with MessagesServer() as claude:
        run(test(claude))


def test_leaving_an_answer_ends_it(url: str, sql: psycopg.Connection, run: Run) -> None:
    """The rest of it is not read, and nothing stored."""

    async def test(claude: MessagesServer) -> None:
        sdk = make_client(api_key="test", base_url=claude.url)
        claude.enqueue(answer(text_block("The rate limit is high. " * 5000)))
        async with filled(url, anthropic_client=sdk) as pages:
            asking = pages.ask("What is the rate limit?")
            async for text in asking:
                assert text
                break
            with pytest.raises(asyncio.CancelledError):
                await asking
            await pages.search("refund")
        assert sql.execute("select count(*) from ragpg.answers").fetchone() == (0,)

    with MessagesServer() as claude:
        run(test(claude))


def test_an_answer_that_fails_is_raised_where_it_is_iterated(url: str, run: Run) -> None:
    async def test(claude: MessagesServer) -> None:
        sdk = make_client(api_key="test", base_url=claude.url, max_retries=0)
        async with filled(url, anthropic_client=sdk) as pages:
            claude.enqueue(cut_stream())
            with pytest.raises(errors.AnswerError):
                [text async for text in pages.ask("What is the rate limit?")]

    with MessagesServer() as claude:
        run(test(claude))


# Cancelled -------------------------------------------------------------------------------------


def test_cancelling_ends_the_query_and_keeps_the_connection(
    url: str, sql: psycopg.Connection, run: Run
) -> None:
    async def test() -> None:
        async with filled(url, max_connections=1) as pages:
            client = pages.sync.session.database
            before = client.value("select pg_backend_pid()")
            with sql.transaction():
                sql.execute("lock table ragpg.chunks in access exclusive mode")
                search = asyncio.create_task(pages.search("refund"))
                await until(sql, running=True)
                search.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await search
                await until(sql, running=False)  # though the table is locked still
            assert len(await pages.search("refund")) == 2
            assert client.value("select pg_backend_pid()") == before

    run(test())


def test_a_timeout_cancels_too(url: str, sql: psycopg.Connection, run: Run) -> None:
    async def test() -> None:
        async with filled(url) as pages:
            with sql.transaction():
                sql.execute("lock table ragpg.chunks in access exclusive mode")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(pages.search("refund"), 0.3)
                await until(sql, running=False)
            assert await pages.search("refund")

    run(test())


def test_cancelling_add_stores_nothing_more(url: str, sql: psycopg.Connection, run: Run) -> None:
    """The document at hand is rolled back and reported by nobody; those after it are not begun."""

    async def test() -> None:
        async with filled(url) as pages:
            with sql.transaction():
                sql.execute("lock table ragpg.documents in share mode")
                records = [{"source": f"more {n}", "text": f"Login {n}."} for n in range(5)]
                adding = asyncio.create_task(pages.add(records=records))
                await until(sql, running=True, word="put_document")
                adding.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await adding
                await until(sql, running=False, word="put_document")
        assert [row[0] for row in sql.execute("select source from ragpg.documents order by 1")] == [
            "limits",
            "refunds",
        ]

    run(test())


def test_cancelling_a_load_ends_all_of_its_connections(
    url: str, sql: psycopg.Connection, run: Run
) -> None:
    """Documents that bring their embedding are stored over several at once."""

    async def test() -> None:
        words = WordEmbedder()
        async with filled(url) as pages:
            vector = words.embed_query("refund")
            given = [{"source": f"more {n}", "text": "x", "embedding": vector} for n in range(4000)]
            with sql.transaction():
                sql.execute("lock table ragpg.documents in share mode")
                adding = asyncio.create_task(pages.add(records=given))
                while (await waiting(sql)) < min(2, os.cpu_count() or 1):
                    await asyncio.sleep(0.01)
                adding.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await adding
                await until(sql, running=False, word="put_embedded_documents")
        assert sql.execute("select count(*) from ragpg.documents").fetchone() == (len(TEXTS),)

    async def waiting(sql: psycopg.Connection) -> int:
        sql.execute("select pg_stat_clear_snapshot()")
        row = sql.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and state = 'active' and query ~ 'put_embedded_documents' and pid <> pg_backend_pid()"
        ).fetchone()
        return row[0] if row else 0

    run(test())


def test_what_waits_and_is_cancelled_never_runs(url: str, run: Run) -> None:
    async def test() -> None:
        ran: list[int] = []
        async with ragpg.connect_async(url, max_connections=1) as client:
            free = threading.Event()
            first = asyncio.create_task(client.run(free.wait))
            others = [asyncio.create_task(client.run(ran.append, n)) for n in range(3)]
            await asyncio.sleep(0)
            others[1].cancel()
            await asyncio.wait([others[1]])
            free.set()
            await asyncio.gather(first, *others, return_exceptions=True)
        assert ran == [0, 2]

    run(test())


def test_a_connection_that_was_given_back_is_not_cancelled(
    url: str, sql: psycopg.Connection, run: Run
) -> None:
    """It runs another call's query meanwhile."""

    async def test() -> None:
        used, free = threading.Event(), threading.Event()
        async with ragpg.connect_async(url, max_connections=2) as client:
            database = client.sync.database

            def first() -> None:
                assert database.value("select 1") == 1
                used.set()
                free.wait()

            done = asyncio.create_task(client.run(first))
            await asyncio.to_thread(used.wait)
            other = asyncio.create_task(client.run(database.value, "select 1 from pg_sleep(0.5)"))
            await until(sql, running=True, word="pg_sleep(0.5)")
            done.cancel()
            free.set()
            assert await other == 1
            with pytest.raises(asyncio.CancelledError):
                await done

    run(test())


def test_connections_survive_what_is_cancelled(url: str, run: Run) -> None:
    """Two connections, and every second call is cancelled at some moment."""

    async def test() -> None:
        chance = random.Random(7)
        async with filled(url, max_connections=2) as pages:

            async def search(number: int) -> int:
                task = asyncio.create_task(pages.search("refund"))
                if number % 2:
                    await asyncio.sleep(chance.random() * 0.4)
                    task.cancel()
                return len(await task)

            found = await asyncio.gather(*map(search, range(200)), return_exceptions=True)
        assert found[::2] == [2] * 100
        assert {type(one) for one in found[1::2]} <= {int, asyncio.CancelledError}
        assert any(isinstance(one, asyncio.CancelledError) for one in found[1::2])

    run(test())
