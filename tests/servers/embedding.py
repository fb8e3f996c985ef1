"""The far end of the network: a local server that speaks three embedding APIs.

It checks a request as each API does (key, model, fields, how many texts and tokens, dimensions),
answers with vectors of the texts' words, and fails as told:

    with EmbeddingServer() as server:
        server.enqueue(429, retry_after=1)
        OpenAI(api_key=KEY, base_url=server.openai_url)
        server.requests[0].body

The three shapes are those of the official references: OpenAI's POST /embeddings, Voyage's POST
/embeddings, Cohere's POST /v2/embed. A token is a byte here, which no tokenizer exceeds.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np

KEY = "key-of-the-tests"
Body = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What came in."""

    path: str
    body: Body
    at: float


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after


@dataclass(frozen=True)
class Model:
    """A model of one API."""

    dimensions: int
    choices: tuple[int, ...] | None  # None: any up to its own
    request_tokens: int
    text_tokens: int


OPENAI = {
    "text-embedding-3-small": Model(1536, None, 300_000, 8_192),
    "text-embedding-3-large": Model(3072, None, 300_000, 8_192),
    "text-embedding-ada-002": Model(1536, (), 300_000, 8_192),
}
VOYAGE = {
    "voyage-3.5": Model(1024, (256, 512, 1024, 2048), 320_000, 32_000),
    "voyage-3-large": Model(1024, (256, 512, 1024, 2048), 120_000, 32_000),
    "voyage-law-2": Model(1024, (), 120_000, 16_000),
}
COHERE = {
    "embed-v4.0": Model(1536, (256, 512, 1024, 1536), 128_000, 128_000),
    "embed-english-v3.0": Model(1024, (), 128_000, 512),
}


class EmbeddingServer:
    """Runs while it is entered. `drift` and `salt` make its models other ones."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.drift = 0.0
        self.salt = ""
        self._failures: deque[Refused] = deque()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.requests.append(Request(self.path, body, time.monotonic()))
                owner._reply(self, body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.openai_url = f"{self.url}/openai/v1"
        self.voyage_url = f"{self.url}/voyage/v1"

    def environment(self) -> dict[str, str]:
        """Returns the variables that lead the three SDKs here."""
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": KEY,
            "VOYAGE_BASE_URL": self.voyage_url,
            "VOYAGE_API_KEY": KEY,
            "CO_API_URL": self.url,
            "CO_API_KEY": KEY,
        }

    def enqueue(self, status: int, retry_after: float | None = None, message: str = "") -> None:
        """Lets one of the next requests fail."""
        self._failures.append(Refused(status, message or "as told", retry_after))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _reply(self, handler: BaseHTTPRequestHandler, body: Body) -> None:
        apis: dict[str, tuple[Callable[[Body], Body], Callable[[Refused], Body]]] = {
            "/openai/v1/embeddings": (self._openai, _openai_error),
            "/voyage/v1/embeddings": (self._voyage, lambda error: {"detail": error.message}),
            "/v2/embed": (self._cohere, lambda error: {"message": error.message}),
        }
        answer, explain = apis[handler.path]
        status, headers = 200, {}
        try:
            if handler.headers["authorization"] != f"Bearer {KEY}":
                raise Refused(401, "the API key is not valid")
            if self._failures:
                raise self._failures.popleft()
            told = answer(body)
        except Refused as error:
            status, told = error.status, explain(error)
            if error.retry_after is not None:
                headers["retry-after"] = f"{error.retry_after:g}"
        raw = json.dumps(told).encode()
        handler.send_response(status)
        for name, value in {**headers, "content-type": "application/json"}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def _openai(self, body: Body) -> Body:
        known = {"input", "model", "dimensions", "encoding_format", "user"}
        texts, model = _checked(body, known, OPENAI, body.get("input"), 2048, missing=404)
        vectors = self._vectors(texts, body["model"], _size(model, body.get("dimensions")), "")
        rows = [_encoded(vector, body.get("encoding_format") == "base64") for vector in vectors]
        data: list[Body] = [
            {"object": "embedding", "index": place, "embedding": row}
            for place, row in enumerate(rows)
        ]
        data.reverse()  # the API promises an index, not an order
        usage = {"prompt_tokens": _tokens(texts), "total_tokens": _tokens(texts)}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}

    def _voyage(self, body: Body) -> Body:
        known = {"input", "model", "input_type", "truncation", "output_dimension", "output_dtype"}
        known.add("encoding_format")
        texts, model = _checked(body, known, VOYAGE, body.get("input"), 1000, missing=400)
        if body.get("input_type") not in (None, "query", "document"):
            raise Refused(400, "input_type is not one of null, query, document")
        size = _size(model, body.get("output_dimension"))
        vectors = self._vectors(texts, body["model"], size, body.get("input_type") or "")
        rows = [_encoded(vector, body.get("encoding_format") == "base64") for vector in vectors]
        data = [
            {"object": "embedding", "index": place, "embedding": row}
            for place, row in enumerate(rows)
        ]
        usage = {"total_tokens": _tokens(texts)}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}

    def _cohere(self, body: Body) -> Body:
        known = {"texts", "model", "input_type", "embedding_types", "truncate", "output_dimension"}
        texts, model = _checked(body, known, COHERE, body.get("texts"), 96, missing=404)
        kinds = ("search_document", "search_query", "classification", "clustering", "image")
        if body.get("input_type") not in kinds:
            raise Refused(400, "input_type is required")
        size = _size(model, body.get("output_dimension"))
        vectors = self._vectors(texts, body["model"], size, body["input_type"])
        return {
            "id": "4f1c",
            "embeddings": {"float": [vector.tolist() for vector in vectors]},
            "texts": texts,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 1}},
            "response_type": "embeddings_by_type",
        }

    def _vectors(self, texts: list[str], model: str, size: int, kind: str) -> list[Any]:
        return [self._vector(text, model, size, kind) for text in texts]

    def _vector(self, text: str, model: str, size: int, kind: str) -> Any:
        """Returns three times a direction made of the words, and of what the text is for."""
        vector = np.zeros(size, np.float32)
        for word in re.findall(r"\w{5,}", text.lower()):
            vector[zlib.crc32(f"{self.salt}{model}{word.removesuffix('s')}".encode()) % size] += 1
        vector[zlib.crc32(kind.encode()) % size] += 0.3 * np.linalg.norm(vector) + 0.01
        noise = np.random.default_rng(len(self.requests)).normal(size=size)
        vector = vector / np.linalg.norm(vector) + self.drift * noise / np.linalg.norm(noise)
        return (3 * vector).astype(np.float32)


def _checked(
    body: Body, known: set[str], models: dict[str, Model], texts: Any, most: int, *, missing: int
) -> tuple[list[str], Model]:
    if strange := set(body) - known:
        raise Refused(400, f"unknown fields {sorted(strange)}")
    if body.get("model") not in models:
        raise Refused(missing, f"the model {body.get('model')} does not exist")
    model = models[body["model"]]
    texts = [texts] if isinstance(texts, str) else texts  # OpenAI and Voyage take one text, too
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise Refused(400, "the input must be a list of texts")
    if not all(texts):
        raise Refused(400, "a text cannot be empty")
    if len(texts) > most:
        raise Refused(400, f"at most {most} texts, not {len(texts)}")
    if _tokens(texts) > model.request_tokens:
        raise Refused(400, f"at most {model.request_tokens} tokens a request, not {_tokens(texts)}")
    if (longest := max(_tokens([text]) for text in texts)) > model.text_tokens:
        raise Refused(400, f"a text has {longest} tokens, the model reads {model.text_tokens}")
    return texts, model


def _size(model: Model, wanted: int | None) -> int:
    choices = range(1, model.dimensions + 1) if model.choices is None else model.choices
    if wanted is not None and wanted not in choices:
        raise Refused(400, f"{wanted} dimensions are not possible with this model")
    return wanted or model.dimensions


def _tokens(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _encoded(vector: Any, as_base64: bool) -> Any:
    return base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()


def _openai_error(error: Refused) -> Body:
    code = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
    return {
        "error": {
            "message": error.message,
            "type": "server_error" if error.status >= 500 else "invalid_request_error",
            "param": None,
            "code": code.get(error.status),
        }
    }
