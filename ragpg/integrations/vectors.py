"""What the adapters share: a client whose vectors a framework brings, asyncio over it."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ragpg.aio import AsyncClient
from ragpg.client import Client, connect
from ragpg.models import GivenEmbedder, Vectors
from ragpg.reading import load_text

P = ParamSpec("P")
T = TypeVar("T")

EVERYTHING = "1 == 1"  # a filter: what deletes many wants one
TEXT = "_text"
NODE_ID = "_node_id"  # of LlamaIndex's node, in its metadata: filters know no sources
_NO_TEXT = "\N{EMPTY SET}"


def no_vector(dimensions: int) -> Vectors:
    """Returns what stands for the vector of a document that has none."""
    vector = np.zeros(dimensions, np.float32)
    vector[0] = 1
    return vector


class Opened:
    """A client of a database, opened at its first use, and the same for asyncio."""

    def __init__(
        self, url: Callable[[], str | None], dimensions: int, client: Client | None = None
    ) -> None:
        self._url = url
        self._dimensions = dimensions
        self._client = client
        self._async: AsyncClient | None = None

    @property
    def client(self) -> Client:
        """The client, for vectors of that many dimensions."""
        if self._client is None:
            given = GivenEmbedder("records", self._dimensions)  # as of records with embeddings
            self._client = connect(self._url(), embedder=given)
        return self._client

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns what the function returns in a thread; cancelled, its query is, too."""
        if self._async is None:
            self._async = AsyncClient(lambda: self.client, 10)
        return await (await self._async).run(function, *args, **kwargs)


def awaited(method: Callable[..., T]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Returns the method of something that is `_opened`, for `await`."""

    @wraps(method)
    async def call(self: Any, *args: Any, **kwargs: Any) -> T:
        result: T = await self._opened.run(method, self, *args, **kwargs)
        return result

    return call


def given_text(text: str) -> dict[str, Any]:
    """Returns a record of a text, whose metadata keep what is not stored of it as it is.

    Stored is clean text: without blanks at its ends, with line ends as of Unix, never empty.
    """
    record = {"text": text if text.strip() else _NO_TEXT, "title": "", "media_type": "text/plain"}
    stored = load_text(record["text"], media_type="text/plain", name="").content.strip(" \t\r\n")
    return {**record, "metadata": {} if stored == text else {TEXT: json.dumps(text)}}


def title_of(metadata: Mapping[str, Any] | None) -> str:
    """Returns the title of a text: words search it, so an id, as without one, is none."""
    title = (metadata or {}).get("title")
    return title if isinstance(title, str) else ""


def text_of(metadata: Mapping[str, Any], content: str | None) -> str:
    """Returns a text as it was given."""
    return str(json.loads(metadata[TEXT])) if TEXT in metadata else content or ""
