"""What does asyncio cost? Searches by `ragpg.connect_async`, and by threads that call the client.

    python -m benchmarks.asynchronous

200 searches at once over the same 20,000 rows, through eight connections: eight threads that call
the client; 200 tasks that await it; and over HTTP (Starlette, uvicorn) a handler that is a plain
function, run in one of eight threads, and one that is a coroutine. The ways take turns; figures are
medians of the rounds after the first. A request is overtaken by those that came after it and were
answered before it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import socket
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio.to_thread
import numpy as np
import uvicorn
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import ragpg
from ragpg.database import embedded
from ragpg.database.migrations import migrate

CONNECTIONS = 8
AT_ONCE = 200
DIMENSIONS = 384
Asked = Sequence[tuple[str, Any]]  # texts and their embeddings


class Round(NamedTuple):
    """What one round of a way took: searches a second, failed ones, the most that overtook one."""

    rate: float
    failed: int
    overtaken: int


def texts(count: int, words: int, seed: int) -> list[str]:
    """Returns texts of words that are as frequent as in language: the n-th a share of 1/n."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, 5001)
    drawn = rng.choice(5000, (count, words), p=shares / shares.sum())
    return [" ".join(f"word{n}" for n in one) for one in drawn]


def vectors(count: int, seed: int) -> Any:
    """Returns vectors of length 1 about 200 topics, the same for each seed."""
    rng = np.random.default_rng(seed)
    topics = np.random.default_rng(0).standard_normal((200, DIMENSIONS))
    noise = rng.standard_normal((count, DIMENSIONS))
    found = (topics[rng.integers(0, 200, count)] + noise).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def fill(url: str, rows: int) -> None:
    migrate(url)
    given = zip(texts(rows, 60, 1), vectors(rows, 1), strict=True)
    with ragpg.connect(url) as client:
        client.collection("rows").add(
            records=[
                {"source": f"{n}", "text": text, "embedding": vector}
                for n, (text, vector) in enumerate(given)
            ]
        )


# Over HTTP ---------------------------------------------------------------------------------------


def application(
    sync: ragpg.Client, awaited: ragpg.AsyncClient, asked: Asked, orders: list[int]
) -> Starlette:
    """Returns an application whose two handlers do the same search."""

    def in_thread(request: Request) -> JSONResponse:
        text, vector = asked[request.path_params["number"]]
        hits = sync.collection("rows").search(text, query_embedding=vector)
        return JSONResponse([hit.source for hit in hits])

    async def in_loop(request: Request) -> JSONResponse:
        text, vector = asked[request.path_params["number"]]
        hits = await awaited.collection("rows").search(text, query_embedding=vector)
        return JSONResponse([hit.source for hit in hits])

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = CONNECTIONS
        async with awaited:
            yield

    routes = [Route("/threads/{number:int}", in_thread), Route("/asyncio/{number:int}", in_loop)]
    return Starlette(
        routes=routes, lifespan=lifespan, middleware=[Middleware(Arrivals, orders=orders)]
    )


class Arrivals:
    """Notes, by the place at which each request came, the order in which they were answered."""

    def __init__(self, app: ASGIApp, orders: list[int]) -> None:
        self._app = app
        self._orders = orders
        self._came = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            place = next(self._came)
            await self._app(scope, receive, send)
            self._orders.append(place)
        else:
            await self._app(scope, receive, send)


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[int]:
    """Yields the port of the application, which runs in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=AT_ONCE) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        await asyncio.to_thread(thread.join)


async def get(port: int, way: str, number: int) -> None:
    """Gets a page; a client's own pool of 200 connections would be what is measured."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /{way}/{number} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n".encode()
    )
    if not (await reader.read()).startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"/{way}/{number}")
    writer.close()


# Measured ----------------------------------------------------------------------------------------


def by_threads(search: Callable[[int], object]) -> Round:
    done: list[int] = []

    def one(number: int) -> None:
        search(number)
        done.append(number)

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        started = time.perf_counter()
        futures = [threads.submit(one, number) for number in range(AT_ONCE)]
        failed = sum(future.exception() is not None for future in futures)
        return Round(AT_ONCE / (time.perf_counter() - started), failed, most_overtaken(done))


async def by_tasks(search: Callable[[int], Awaitable[object]]) -> Round:
    done: list[int] = []

    async def one(number: int) -> None:
        await search(number)
        done.append(number)

    started = time.perf_counter()
    ended = await asyncio.gather(*map(one, range(AT_ONCE)), return_exceptions=True)
    rate = AT_ONCE / (time.perf_counter() - started)
    return Round(rate, sum(error is not None for error in ended), most_overtaken(done))


def most_overtaken(done: Sequence[int]) -> int:
    return max(sum(other > n for other in done[:place]) for place, n in enumerate(done))


async def measure(url: str, asked: Asked, rounds: int) -> dict[str, list[Round]]:
    """Returns the rounds of each way, all but the first."""
    measured: dict[str, list[Round]] = defaultdict(list)
    orders: list[int] = []
    serving = ragpg.connect_async(url, max_connections=CONNECTIONS)
    with ragpg.connect(url, max_connections=CONNECTIONS) as sync:
        async with (
            ragpg.connect_async(url, max_connections=CONNECTIONS) as awaited,
            served(application(sync, serving, asked, orders)) as port,
        ):
            plain, same = sync.collection("rows"), awaited.collection("rows")

            def search(number: int) -> object:
                text, vector = asked[number]
                return plain.search(text, query_embedding=vector)

            async def search_awaited(number: int) -> object:
                text, vector = asked[number]
                return await same.search(text, query_embedding=vector)

            for _ in range(rounds + 1):
                measured["threads"].append(await asyncio.to_thread(by_threads, search))
                measured["asyncio"].append(await by_tasks(search_awaited))
                for way in ("threads", "asyncio"):
                    found = await by_tasks(partial(get, port, way))
                    measured[f"HTTP, {way}"].append(
                        found._replace(overtaken=most_overtaken(orders))
                    )
                    orders.clear()
    return {way: found[1:] for way, found in measured.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    asked = list(zip(texts(AT_ONCE, 6, 2), vectors(AT_ONCE, 2), strict=True))
    with tempfile.TemporaryDirectory() as home:
        url = embedded.start(Path(home))
        try:
            fill(url, arguments.rows)
            measured = asyncio.run(measure(url, asked, arguments.rounds))
        finally:
            embedded.stop(Path(home))
    table = Table("", "searches a second", "of threads", "failed", "overtaken by at most")
    for way, rounds in measured.items():
        rate = statistics.median(one.rate for one in rounds)
        base = measured["HTTP, threads" if way.startswith("HTTP") else "threads"]
        share = statistics.median(
            one.rate / other.rate for one, other in zip(rounds, base, strict=True)
        )
        failed, overtaken = sum(one.failed for one in rounds), max(one.overtaken for one in rounds)
        table.add_row(way, f"{rate:.0f}", f"{share:.2f}", f"{failed}", f"{overtaken}")
    Console().print(table)


if __name__ == "__main__":
    main()
