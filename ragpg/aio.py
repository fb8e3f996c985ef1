"""The same verbs, awaited: a thin shell over the client in a bounded pool of threads.

async with ragpg.connect_async() as client:
    handbook = client.collection("handbook")
    await handbook.add("docs/")
    hits = await handbook.search("how long do refunds take")
    async for text in handbook.ask("How long do refunds take?"):
        print(text, end="")

Nothing is written twice: a method here is the client's own, with its signature and docstring, run
in a thread. Cancelling the task cancels what runs of it on the server.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial, wraps
from inspect import signature
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

import psycopg

from ragpg.answer import Answer
from ragpg.client import Client, connect
from ragpg.collection import Collection
from ragpg.conversation import Conversation
from ragpg.database.connection import IN_USE, Connection

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")

_ANSWERS_AT_ONCE = 64  # they wait for the language model, and hold no connection meanwhile


class _Call:
    """One call in a thread, and the connections it uses at the moment: a load has several."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self.is_cancelled = False

    @contextmanager
    def using(self, connection: Connection) -> Iterator[None]:
        """Has what runs on the connection cancelled with the call."""
        with self._lock:
            self.go_on()
            self._connections.append(connection)
        try:
            yield
        finally:
            with self._lock:  # held by who cancels: it is not the next one's query that ends
                self._connections.remove(connection)

    def go_on(self) -> None:
        """Raises CancelledError once the call is cancelled."""
        if self.is_cancelled:
            raise asyncio.CancelledError

    def cancel(self) -> None:
        """Ends what the server does for the call; what it does next raises CancelledError."""
        with self._lock:
            self.is_cancelled = True
            for connection in self._connections:
                with suppress(psycopg.Error):  # the server is gone, and the query with it
                    connection.cancel_safe(timeout=5)

    def run(self, function: Callable[[], T]) -> T:
        self.go_on()
        IN_USE.set(self.using)
        return function()


async def _run(threads: ThreadPoolExecutor, call: _Call, function: Callable[[], T]) -> T:
    """Returns what the function does in one of the threads; those who came first are first."""
    inside = partial(copy_context().run, call.run, function)
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, inside)
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.to_thread(call.cancel))
        raise


class _Shell(Generic[S]):
    """What has its methods run in the threads of a client."""

    def __init__(self, client: AsyncClient, sync: S) -> None:
        self._client = client
        self.sync = sync


def _awaited(
    method: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Returns the method for `await`."""

    @wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await self._client.run(method, self.sync, *args, **kwargs)
        return result

    return call


class Asking:
    """An answer to come: await it, or iterate over its text as it is written, and then await it."""

    def __init__(self, threads: ThreadPoolExecutor, ask: Callable[..., Answer]) -> None:
        self._threads = threads
        self._ask = ask
        self._answer: asyncio.Task[Answer] | None = None

    def __await__(self) -> Generator[Any, None, Answer]:
        return (self._answer or self._start(_Call(), self._ask)).__await__()

    def _start(self, call: _Call, ask: Callable[[], Answer]) -> asyncio.Task[Answer]:
        self._answer = asyncio.ensure_future(_run(self._threads, call, ask))
        return self._answer

    async def __aiter__(self) -> AsyncGenerator[str, None]:
        """Yields the text as it is written; leaving the loop ends the call."""
        loop, call = asyncio.get_running_loop(), _Call()
        texts: asyncio.Queue[str | None] = asyncio.Queue()

        def hear(text: str) -> None:
            call.go_on()  # raised where the answer streams, which closes it
            loop.call_soon_threadsafe(texts.put_nowait, text)

        answer = self._start(call, partial(self._ask, on_text=hear))
        answer.add_done_callback(lambda _: texts.put_nowait(None))
        try:
            while (text := await texts.get()) is not None:
                yield text
            await answer
        finally:
            answer.cancel()


def _asked(ask: Callable[Concatenate[Any, P], Answer]) -> Callable[Concatenate[Any, P], Asking]:
    """Returns the method for `await` and `async for`."""

    @wraps(ask)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Asking:
        return Asking(self._client.answering, partial(ask, self.sync, *args, **kwargs))

    return call


class AsyncConversation(_Shell[Conversation]):
    """A conversation for asyncio."""

    ask = _asked(Conversation.ask)
    turns = _awaited(Conversation.turns)
    delete = _awaited(Conversation.delete)

    @property
    def id(self) -> int:
        """The conversation's id."""
        return self.sync.id


class AsyncCollection(_Shell[Collection]):
    """A collection for asyncio; functions it is given, such as `progress`, run in its thread."""

    add = _awaited(Collection.add)
    search = _awaited(Collection.search)
    explain = _awaited(Collection.explain)
    ask = _asked(Collection.ask)
    documents = _awaited(Collection.documents)
    delete = _awaited(Collection.delete)
    delete_many = _awaited(Collection.delete_many)
    update_metadata = _awaited(Collection.update_metadata)
    embeddings = _awaited(Collection.embeddings)
    wait_until_indexed = _awaited(Collection.wait_until_indexed)

    async def conversation(self, id: int | None = None) -> AsyncConversation:
        """Returns the conversation of that id, or begins one; raises BadArgument for none of its.

        Its `ask` takes questions that follow each other (docs/answers.md).
        """
        begun = await self._client.run(Collection.conversation, self.sync, id)
        return AsyncConversation(self._client, begun)

    @property
    def name(self) -> str:
        """The collection's name."""
        return self.sync.name


class AsyncClient(_Shell[Client]):
    """A client for asyncio. It opens with `async with`, or `await`, and then runs in threads.

    There are as many threads as connections (`max_connections`), so that no call waits for one
    longer than for those that came before it. Answers have threads of their own.
    """

    def __init__(self, connect: Callable[[], Client], max_connections: int) -> None:
        self._connect = connect
        self._threads = ThreadPoolExecutor(max_connections, "ragpg")
        self.answering = ThreadPoolExecutor(_ANSWERS_AT_ONCE, "ragpg-ask")
        self._is_open = False

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns what a function returns in one of the threads, for what has no method here.

        `await client.run(handbook.sync.evaluation.run, "questions")`
        """
        return await _run(self._threads, _Call(), partial(function, *args, **kwargs))

    def collection(self, name: str = "default") -> AsyncCollection:
        """Returns the collection of that name; it is made by the first document added to it."""
        return AsyncCollection(self, self.sync.collection(name))

    collections = _awaited(Client.collections)
    drop_collection = _awaited(Client.drop_collection)
    feedback = _awaited(Client.feedback)
    server = _awaited(Client.server)

    async def close(self) -> None:
        """Waits for what runs and closes the connections."""
        for threads in (self._threads, self.answering):
            await asyncio.to_thread(threads.shutdown)
        if self._is_open:
            await asyncio.to_thread(self.sync.close)

    async def _open(self) -> Self:
        if not self._is_open:
            super().__init__(self, await self.run(self._connect))
            self._is_open = True
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _opened(connect: Callable[P, Client]) -> Callable[P, AsyncClient]:
    @wraps(connect)
    def connect_async(*args: P.args, **kwargs: P.kwargs) -> AsyncClient:
        given = signature(connect).bind(*args, **kwargs)
        given.apply_defaults()
        return AsyncClient(partial(connect, *args, **kwargs), given.arguments["max_connections"])

    return connect_async


connect_async = _opened(connect)
