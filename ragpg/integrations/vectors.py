"""What the adapters share: a model whose vectors a framework brings, asyncio over a client."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ragpg.aio import AsyncClient
from ragpg.client import Client, connect
from ragpg.errors import EmbeddingError
from ragpg.models import PROBE_TEXT, Progress, Vectors
from ragpg.reading import load_text

P = ParamSpec("P")
T = TypeVar("T")

EVERYTHING = "1 == 1"  # a filter: what deletes many wants one
_TEXT = "_text"


class GivenVectors:
    """The model of a collection whose vectors the framework makes: it embeds nothing itself."""

    provider = "given"
    max_tokens = 8192

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.name = f"given@{dimensions}"

    @property
    def nothing(self) -> Vectors:
        """What stands for the vector of a document that has none."""
        vector = np.zeros(self.dimensions, np.float32)
        vector[0] = 1
        return vector

    def token_starts(self, text: str) -> Sequence[int]:
        return range(0, len(text), 4)

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        if list(texts) != [PROBE_TEXT]:
            raise EmbeddingError("vectors of this collection are given: add documents with theirs")
        return self.nothing[np.newaxis]

    def embed_query(self, text: str) -> Vectors:
        raise EmbeddingError("vectors of this collection are given: search with the question's")


class Opened:
    """A client of a database, opened at its first use, and the same for asyncio."""

    def __init__(self, database_url: str | None, dimensions: int | None, client: Client | None):
        self._url = database_url
        self._dimensions = dimensions
        self._client = client
        self._async: AsyncClient | None = None

    @property
    def client(self) -> Client:
        """The client; where the framework brings vectors, of that many dimensions."""
        if self._client is None:
            embedder = None if self._dimensions is None else GivenVectors(self._dimensions)
            self._client = connect(self._url, embedder=embedder)
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
    """Returns a record's text as given, with what its metadata must keep of it: see `text_of`.

    What is stored is clean: line ends are those of Unix, none are at its ends, nor blanks.
    """
    stored = load_text(text, media_type="text/plain", name="").content
    kept = {} if stored == text else {_TEXT: json.dumps(text)}
    return {"text": text, "title": "", "media_type": "text/plain", "metadata": kept}


def text_of(metadata: Mapping[str, Any], content: str | None) -> str:
    """Returns a text as it was given."""
    return str(json.loads(metadata[_TEXT])) if _TEXT in metadata else content or ""
