"""Embedding models behind an API: OpenAI, Voyage and Cohere, through their official SDKs."""

from __future__ import annotations

import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, Literal

import numpy as np

from ragpg import settings
from ragpg.errors import EmbeddingError
from ragpg.models.embedding import Progress, Vectors, unit_vectors

Kind = Literal["query", "document"]

_MAX_RETRIES = 6
_TIMEOUT_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold: texts, tokens of all of them, tokens of one text."""

    texts: int
    request_tokens: int
    text_tokens: int


# By provider and the beginning of the model's name, the first that fits. Sources, read 2026-11:
# OpenAI    https://platform.openai.com/docs/api-reference/embeddings/create
# Voyage    https://docs.voyageai.com/reference/embeddings-api (a request),
#           https://docs.voyageai.com/docs/embeddings (a text)
# Cohere    https://docs.cohere.com/reference/embed (a request; it names no limit of tokens),
#           https://docs.cohere.com/docs/cohere-embed (a text)
LIMITS: dict[str, tuple[tuple[str, Limits], ...]] = {
    "openai": (("", Limits(2048, 300_000, 8_192)),),
    "voyage": (
        ("voyage-4-lite", Limits(1000, 1_000_000, 32_000)),
        ("voyage-3.5-lite", Limits(1000, 1_000_000, 32_000)),
        ("voyage-4-large", Limits(1000, 120_000, 32_000)),
        ("voyage-4", Limits(1000, 320_000, 32_000)),
        ("voyage-3.5", Limits(1000, 320_000, 32_000)),
        ("voyage-law-2", Limits(1000, 120_000, 16_000)),
        ("voyage-2", Limits(1000, 320_000, 4_000)),
        ("voyage-code-2", Limits(1000, 120_000, 16_000)),
        ("", Limits(1000, 120_000, 32_000)),
    ),
    "cohere": (("embed-v4", Limits(96, 128_000, 128_000)), ("", Limits(96, 128_000, 512))),
}


class HostedEmbedder(ABC):
    """A model behind an API. `name` is `provider/model`, with `@dimensions` when these are given.

    Tokens are estimated, as the APIs' tokenizers are downloads of their own: see
    `estimated_token_starts`. Vectors are float32 of length 1, in the order of the texts.
    """

    provider: ClassVar[str]
    _sdk: ClassVar[str]
    _keys: ClassVar[tuple[str, ...]]

    def __init__(self, model: str, dimensions: int | None = None) -> None:
        self.model = model
        self.dimensions = dimensions
        self.name = f"{self.provider}/{model}" + (f"@{dimensions}" if dimensions else "")
        self.limits = next(
            limits for start, limits in LIMITS[self.provider] if model.startswith(start)
        )

    @property
    def max_tokens(self) -> int:
        """Half the window: the estimate is low by a third at worst on any text it was tried on."""
        return self.limits.text_tokens // 2

    def token_starts(self, text: str) -> list[int]:
        return estimated_token_starts(text)

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        done: list[Vectors] = []
        for batch in self._batches(texts):
            done.append(self._embed(batch, "document"))
            if progress:
                progress(len(batch))
        return np.concatenate(done) if done else np.empty((0, self.dimensions or 0), np.float32)

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = self._embed([text], "query")[0]
        return vector

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Yields the texts in requests within the limits, in order.

        No tokenizer of these models makes more tokens of a text than it has bytes in UTF-8.
        """
        batch: list[str] = []
        size = 0
        for text in texts:
            cost = len(text.encode("utf-8", "replace"))
            full = len(batch) == self.limits.texts or size + cost > self.limits.request_tokens
            if batch and full:
                yield batch
                batch, size = [], 0
            batch.append(text)
            size += cost
        if batch:
            yield batch

    def _embed(self, texts: list[str], kind: Kind) -> Vectors:
        # The APIs refuse an empty text, and JSON a lone surrogate.
        clean = [text.encode("utf-8", "replace").decode() or " " for text in texts]
        vectors = unit_vectors(self.name, self._request(clean, kind), len(texts))
        if self.dimensions and vectors.shape[1] != self.dimensions:
            raise EmbeddingError(f'the model "{self.name}" gave {vectors.shape[1]} dimensions')
        return vectors

    @abstractmethod
    def _request(self, texts: list[str], kind: Kind) -> Sequence[Sequence[float]]:
        """Returns the API's embeddings in the order of the texts; raises EmbeddingError."""

    def _import(self) -> Any:
        """Returns the SDK; raises EmbeddingError when it, or the key it needs, is missing."""
        try:
            module = import_module(self._sdk)
        except ImportError as error:
            raise EmbeddingError(
                f'the model "{self.name}" needs a package: pip install "ragpg[{self.provider}]" '
                f"({error})"
            ) from error
        if settings.variable(*self._keys) is None:
            raise EmbeddingError(f'the model "{self.name}" needs a key: set {self._keys[0]}')
        return module

    def _failed(self, status: int | None, message: object) -> EmbeddingError:
        told = " ".join(str(message).split())
        if status in (401, 403):
            return EmbeddingError(f"the key in {self._keys[0]} was refused ({status}): {told}")
        return EmbeddingError(f'the model "{self.name}" failed ({status or "no answer"}): {told}')


class OpenAIEmbedder(HostedEmbedder):
    """A model of OpenAI's embeddings API, or of one that speaks it (OPENAI_BASE_URL)."""

    provider = "openai"
    _sdk = "openai"
    _keys = ("OPENAI_API_KEY",)

    @cached_property
    def _client(self) -> Any:
        # The SDK retries 408, 409, 429, 5xx and lost connections, and honours Retry-After.
        return self._import().OpenAI(max_retries=_MAX_RETRIES, timeout=_TIMEOUT_SECONDS)

    def _request(self, texts: list[str], kind: Kind) -> Sequence[Sequence[float]]:
        client, sdk = self._client, self._import()
        wanted = {"dimensions": self.dimensions} if self.dimensions else {}
        try:
            answer = client.embeddings.create(input=texts, model=self.model, **wanted)
        except sdk.APIStatusError as error:
            raise self._failed(error.status_code, error.message) from error
        except sdk.OpenAIError as error:
            raise self._failed(None, error) from error
        return [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]


class VoyageEmbedder(HostedEmbedder):
    """A model of Voyage's embeddings API."""

    provider = "voyage"
    _sdk = "voyageai"
    _keys = ("VOYAGE_API_KEY", "VOYAGE_API_KEY_PATH")

    @cached_property
    def _client(self) -> Any:
        # The SDK reads no variable for the address, and its retries ignore Retry-After.
        return self._import().Client(
            max_retries=0, timeout=_TIMEOUT_SECONDS, base_url=settings.variable("VOYAGE_BASE_URL")
        )

    def _request(self, texts: list[str], kind: Kind) -> Sequence[Sequence[float]]:
        client, failures = self._client, self._import().error
        passing = (
            failures.RateLimitError,
            failures.ServiceUnavailableError,
            failures.ServerError,
            failures.Timeout,
            failures.APIConnectionError,
        )
        try:
            answer = _retried(
                lambda: client.embed(
                    texts,
                    model=self.model,
                    input_type=kind,
                    truncation=False,
                    output_dimension=self.dimensions,
                ),
                passing,
            )
        except failures.VoyageError as error:
            raise self._failed(error.http_status, error.user_message) from error
        rows: Sequence[Sequence[float]] = answer.embeddings
        return rows


class CohereEmbedder(HostedEmbedder):
    """A model of Cohere's embed API, version 2."""

    provider = "cohere"
    _sdk = "cohere"
    _keys = ("CO_API_KEY", "COHERE_API_KEY")

    @cached_property
    def _client(self) -> Any:
        # The SDK retries 408, 409, 429 and 5xx and honours Retry-After. It reads CO_API_URL too,
        # but only once, when it is imported.
        return self._import().ClientV2(
            base_url=settings.variable("CO_API_URL"),
            max_retries=_MAX_RETRIES,
            timeout=_TIMEOUT_SECONDS,
        )

    def _request(self, texts: list[str], kind: Kind) -> Sequence[Sequence[float]]:
        client = self._client
        failure = import_module("cohere.core.api_error").ApiError
        httpx = import_module("httpx")
        wanted = {"output_dimension": self.dimensions} if self.dimensions else {}
        try:
            answer = client.embed(
                model=self.model,
                texts=texts,
                input_type=f"search_{kind}",
                embedding_types=["float"],
                truncate="NONE",
                **wanted,
            )
        except failure as error:
            raise self._failed(error.status_code, error.body) from error
        except httpx.HTTPError as error:
            raise self._failed(None, error) from error
        rows: Sequence[Sequence[float]] = answer.embeddings.float_
        return rows


HOSTED: dict[str, type[HostedEmbedder]] = {
    one.provider: one for one in (OpenAIEmbedder, VoyageEmbedder, CohereEmbedder)
}


# Tokens without a tokenizer --------------------------------------------------------------------

_PIECE = re.compile(r"[A-Z]?[a-z]{1,5}|[A-Z]{1,2}|[0-9]{1,3}|[^\W\d_]|[^\sA-Za-z0-9]|\n+|[ \t]{2,}")


def estimated_token_starts(text: str) -> list[int]:
    """Returns the character at which each token would begin, rather too many than too few.

    Up to six letters of a word, up to three digits, a sign or a letter that is not ASCII are a
    token each; a letter of a rarer script or a syllable of Hangul is two, an emoji three. Against
    OpenAI's cl100k_base that is 1.2 to 1.7 times as many on English and on code, and 0.67 at least
    (Amharic): `python -m benchmarks.token_estimate`.
    """
    starts: list[int] = []
    for piece in _PIECE.finditer(text):
        starts += [piece.start()] * _tokens_of(piece.group())
    return starts


def _tokens_of(piece: str) -> int:
    code = ord(piece[0])
    if code > 0xFFFF:
        return 3
    return 2 if (0x0900 <= code < 0x3000 and piece.isalpha()) or code >= 0xAC00 else 1


# Retries, where the SDK has none that wait as told ------------------------------------------------


def _retried(call: Callable[[], Any], passing: tuple[type[Exception], ...]) -> Any:
    """Returns what the call returns, trying again after errors that pass."""
    for attempt in range(_MAX_RETRIES):
        try:
            return call()
        except passing as error:
            time.sleep(_wait_seconds(error, attempt))
    return call()


def _wait_seconds(error: Exception, attempt: int) -> float:
    headers = getattr(error, "headers", None) or {}
    try:
        told = float(headers.get("retry-after") or 0)
    except ValueError:  # a date
        told = 0.0
    backoff = min(0.5 * 2**attempt, 8.0) * random.uniform(0.75, 1.25)
    return min(told or backoff, _LONGEST_WAIT_SECONDS)
