"""A web server that awaits: 200 requests at once over eight connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

import ragpg
from ragpg.models import make_client

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer, answer, text_block
from .test_awaited import TEXTS

AT_ONCE = 200


@contextmanager
def serving(client: ragpg.AsyncClient) -> Iterator[str]:
    """Serves searches and answers of a collection, by uvicorn; yields the URL."""

    async def search(request: Request) -> JSONResponse:
        hits = await client.collection("pages").search(request.query_params["q"])
        return JSONResponse([hit.source for hit in hits])

    async def ask(request: Request) -> StreamingResponse:
        return StreamingResponse(aiter(client.collection("pages").ask(request.query_params["q"])))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    app = Starlette(routes=[Route("/search", search), Route("/ask", ask)], lifespan=lifespan)
    with socket.create_server(("127.0.0.1", 0), backlog=AT_ONCE) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def filled(url: str) -> None:
    with ragpg.connect(url, embedder=WordEmbedder()) as client:
        records = [{"source": one, "text": text} for one, text in TEXTS.items()]
        client.collection("pages").add(records=records)


def test_200_requests_at_once_over_eight_connections(url: str, sql: psycopg.Connection) -> None:
    """None fails, and there are never more connections than eight."""
    filled(url)
    connections = "select count(*) from pg_stat_activity where application_name = 'ragpg'"

    async def test(address: str) -> None:
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as http:
            words = ["refund", "rate limit"] * (AT_ONCE // 2)
            found = await asyncio.gather(*(http.get("/search", params={"q": q}) for q in words))
        assert {one.status_code for one in found} == {200}
        assert [one.json()[0] for one in found] == ["refunds", "limits"] * (AT_ONCE // 2)
        (held,) = sql.execute(connections).fetchone() or (0,)
        assert 1 <= held <= 8

    with serving(ragpg.connect_async(url, embedder=WordEmbedder(), max_connections=8)) as address:
        asyncio.run(test(address))


def test_who_comes_first_is_served_first(url: str) -> None:
    """Of 200 calls no more than a handful, those that run together, begin before one that came
    before them."""
    filled(url)
    begun: list[int] = []

    async def test() -> None:
        async with ragpg.connect_async(url, embedder=WordEmbedder(), max_connections=8) as client:
            pages = client.collection("pages").sync

            def search(number: int) -> None:
                begun.append(number)
                pages.search("refund")

            await asyncio.gather(*(client.run(search, number) for number in range(AT_ONCE)))

    asyncio.run(test())
    assert sorted(begun) == list(range(AT_ONCE))
    assert max(abs(place - number) for place, number in enumerate(begun)) <= 2 * 8


def test_who_hangs_up_ends_their_answer(url: str, sql: psycopg.Connection) -> None:
    """The rest of it is not written, and nothing stored."""
    filled(url)

    async def test(address: str) -> None:
        async with (
            httpx.AsyncClient(base_url=address) as http,
            http.stream("GET", "/ask", params={"q": "What is the rate limit?"}) as response,
        ):
            assert (await anext(response.aiter_text())).startswith("The rate")

    with MessagesServer() as claude:
        claude.enqueue(answer(text_block("The rate limit is high. " * 5000)))
        sdk = make_client(api_key="test", base_url=claude.url)
        client = ragpg.connect_async(url, embedder=WordEmbedder(), anthropic_client=sdk)
        with serving(client) as address:
            asyncio.run(test(address))
    assert sql.execute("select count(*) from ragpg.answers").fetchone() == (0,)
