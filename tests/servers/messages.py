"""The far end of the network: a local server that speaks the Messages API.

It checks a request as the API does, answers from the search results it is sent (the sentence that
shares most words with the question, cited), as JSON or as a stream, and fails as told:

    with MessagesServer() as server:
        server.enqueue(failure(429, retry_after=0.01), cut_stream())
        make_client(api_key="k", base_url=server.url)
        server.requests[0].body
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from .messages_answers import best_answer, with_cited_text
from .messages_answers import text_block as text_block
from .messages_answers import tool_call as tool_call
from .messages_checks import Block, body_problem
from .messages_streams import as_event, cut_within_a_character, middle
from .messages_streams import events as events_of
from .messages_usage import usage_of

BATCHES = "/v1/messages/batches"

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


# What a test can script --------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What the server does with one request; without `content` it answers from what it is sent."""

    content: tuple[Block, ...] | None = None
    thinking: str | None = None
    stop_reason: str = "end_turn"
    status: int = 200
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    fault: Literal["", "cut", "cut in a character", "no message_stop", "error event"] = ""
    body: bytes | None = None


def answer(*content: Block, thinking: str | None = None, stop_reason: str = "end_turn") -> Reply:
    """Returns an answer of these blocks; of the server's own choice when there are none."""
    return Reply(content or None, thinking=thinking, stop_reason=stop_reason)


def refusal(begun: str = "") -> Reply:
    """Returns a refusal, after the beginning of an answer if one is given."""
    content = (text_block(begun),) if begun else ()
    return Reply(content, stop_reason="refusal")


def calls(*content: Block, thinking: str | None = None) -> Reply:
    """Returns a message that asks for tools, after whatever else it says."""
    return Reply(content, thinking=thinking, stop_reason="tool_use")


def paused(*content: Block) -> Reply:
    """Returns a message that was paused: handed back, it goes on."""
    return Reply(content, stop_reason="pause_turn")


def failure(status: int, message: str = "", *, retry_after: float | None = None) -> Reply:
    """Returns an error with the API's own type for that status."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Reply(status=status, message=message, headers=headers)


def cut_stream() -> Reply:
    """Returns an answer whose connection breaks half-way."""
    return Reply(fault="cut")


def cut_in_a_character() -> Reply:
    """Returns an answer that ends within a UTF-8 character, as behind a proxy without framing."""
    return Reply(fault="cut in a character")


def ends_without_message_stop() -> Reply:
    """Returns an answer whose stream ends in good order, but for its last event."""
    return Reply(fault="no message_stop")


def error_event(status: int = 529, message: str = "") -> Reply:
    """Returns an answer whose stream breaks off with an `error` event of that status's type."""
    return Reply(fault="error event", status=status, message=message)


def web_page() -> Reply:
    """Returns what something else than the API answers."""
    return Reply(body=b"<html>It works!</html>")


# The server --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """One request as it came, whether it was answered or not."""

    path: str
    headers: dict[str, str]
    body: Any
    status: int


class MessagesServer:
    """A server on 127.0.0.1 while the `with` lasts; `url` is what a client's base_url takes."""

    def __init__(self, *, api_key: str | None = None) -> None:
        self.api_key = api_key  # None: any key will do
        self.requests: list[Request] = []
        self.answers = threading.Event()  # cleared: requests are read, and wait
        self.answers.set()
        self.replies: deque[Reply] = deque()
        self.plays: Callable[[Any], Reply] | None = None  # what it replies once none is queued
        self.paused: list[Any] = []
        self.cached: set[str] = set()
        self.batches: dict[str, Batch] = {}
        self.polls_before_end = 1
        self.errors_per_batch = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def enqueue(self, *replies: Reply) -> None:
        """Each next request gets the next of these; once they are used up, an answer."""
        self.replies.extend(replies)

    def forget(self) -> None:
        """Nothing is queued, recorded or cached any more."""
        for memory in (self.requests, self.replies, self.cached, self.batches, self.paused):
            memory.clear()
        self.plays = None

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: MessagesServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def do_POST(self) -> None:
        self.close_connection = True
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body, reply = _checked(owner, self.path, headers, raw)
        owner.requests.append(Request(self.path, headers, body, reply.status))
        owner.answers.wait(60)
        with suppress(ConnectionError):  # the client may have gone away
            if self.path == BATCHES and reply.status == 200 and not reply.fault:
                self._send_json(_new_batch(owner, body).told(owner.url))
            else:
                self._send(owner, body, reply)

    def do_GET(self) -> None:
        self.close_connection = True
        owner = self.server.owner
        owner.requests.append(Request(self.path, {}, None, 200))
        path, _, end = self.path.partition("?")[0].removeprefix(BATCHES).strip("/").partition("/")
        if not path:
            data = [one.told(owner.url) for one in reversed(owner.batches.values())]
            self._send_json({"data": data, "has_more": False, "first_id": None, "last_id": None})
        elif end == "results":
            lines = "".join(json.dumps(one) + "\n" for one in owner.batches[path].results(owner))
            self._send_whole(200, lines.encode(), "application/x-jsonl")
        else:
            owner.batches[path].polls_left -= 1
            self._send_json(owner.batches[path].told(owner.url))

    def _send_json(self, body: Any) -> None:
        self._send_whole(200, json.dumps(body).encode(), "application/json")

    def _send(self, owner: MessagesServer, body: Any, reply: Reply) -> None:
        if reply.body is not None:
            self._send_whole(200, reply.body, "text/html")
        elif reply.status != 200 and not (reply.fault and body.get("stream")):
            error = json.dumps(_error(reply)).encode()
            self._send_whole(reply.status, error, "application/json", reply.headers)
        elif body.get("stream"):
            self._send_stream(_message(owner, body, reply), reply)
        else:
            message = json.dumps(_message(owner, body, reply)).encode()
            self._send_whole(200, message, "application/json", cut=bool(reply.fault))

    def _send_whole(
        self,
        status: int,
        body: bytes,
        kind: str,
        headers: dict[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        self._start(status, kind, {"content-length": str(len(body)), **(headers or {})})
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def _send_stream(self, message: dict[str, Any], reply: Reply) -> None:
        events = list(events_of(message))
        framed = reply.fault != "cut in a character"
        self._start(200, "text/event-stream", {"transfer-encoding": "chunked"} if framed else {})
        if reply.fault:
            events = events[: -1 if reply.fault == "no message_stop" else middle(events)]
        if reply.fault == "error event":
            events.append({**_error(reply), "type": "error"})
        data = b"".join(map(as_event, events))
        if not framed:
            self.wfile.write(cut_within_a_character(data))
            return
        self._write_chunks(data)
        if reply.fault == "cut":
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _write_chunks(self, data: bytes, size: int = 61) -> None:
        """Writes chunks that split lines and characters, as a network does."""
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def _start(self, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "request-id": "req_test", **headers}.items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()


# Requests ----------------------------------------------------------------------------------------


def _checked(
    owner: MessagesServer, path: str, headers: dict[str, str], raw: bytes
) -> tuple[Any, Reply]:
    """Returns the body and what to reply: the error the request earns, else the next scripted."""
    try:
        body = json.loads(raw)
    except ValueError:
        return {}, failure(400, "The request body is not valid JSON")
    if path == BATCHES:
        problems = [body_problem(one["params"]) for one in body["requests"]]
        problems += [
            (400, "requests.custom_id: String should match pattern")
            for one in body["requests"]
            if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one["custom_id"])
        ]
    else:
        problems = [body_problem(body, owner.paused)]
    for problem in (_routing_problem(owner, path, headers), *problems):
        if problem:
            return body, failure(*problem)
    if owner.replies:
        return body, owner.replies.popleft()
    return body, owner.plays(body) if owner.plays else Reply()


def _routing_problem(
    owner: MessagesServer, path: str, headers: dict[str, str]
) -> tuple[int, str] | None:
    if path.partition("?")[0] not in ("/v1/messages", BATCHES):
        return 404, "Not found"
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not key:  # SDK 2 sends the key as a bearer token, its Foundry client as x-api-key
        return 401, "x-api-key header is required"
    if owner.api_key not in (None, key):
        return 401, "invalid x-api-key"
    if not headers.get("anthropic-version"):
        return 400, "anthropic-version: header is required"
    return None


# Batches -----------------------------------------------------------------------------------------


@dataclass
class Batch:
    """A batch as it was submitted; it ends after so many polls."""

    id: str
    created_at: str
    requests: list[dict[str, Any]]
    polls_left: int
    failing: set[str] = field(default_factory=set)  # custom ids that bring an error

    def told(self, url: str) -> dict[str, Any]:
        """Returns it as the API tells of it."""
        ended, count = self.polls_left <= 0, len(self.requests)
        failed = len(self.failing)
        counts = {
            "processing": 0 if ended else count,
            "succeeded": count - failed if ended else 0,
            "errored": failed if ended else 0,
            "canceled": 0,
            "expired": 0,
        }
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": self.created_at,
            "expires_at": self.created_at,
            "ended_at": self.created_at if ended else None,
            "results_url": f"{url}{BATCHES}/{self.id}/results" if ended else None,
        }

    def results(self, owner: MessagesServer) -> Iterator[dict[str, Any]]:
        for one in reversed(self.requests):  # in any order, says the API
            result: dict[str, Any] = {"type": "errored", "error": _error(failure(529))}
            if one["custom_id"] not in self.failing:
                result = {"type": "succeeded", "message": _message(owner, one["params"], Reply())}
            yield {"custom_id": one["custom_id"], "result": result}


def _new_batch(owner: MessagesServer, body: dict[str, Any]) -> Batch:
    made = datetime.now(UTC).isoformat()
    batch = Batch(f"msgbatch_{len(owner.batches)}", made, body["requests"], owner.polls_before_end)
    batch.failing = {one["custom_id"] for one in batch.requests[: owner.errors_per_batch]}
    owner.batches[batch.id] = batch
    return batch


# Answers -----------------------------------------------------------------------------------------


def _message(owner: MessagesServer, body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    content = reply.content if reply.content is not None else best_answer(body)
    blocks = [with_cited_text(block, body) for block in content]
    if reply.thinking is not None:
        thought = {"type": "thinking", "thinking": reply.thinking, "signature": "c2lnbmVk"}
        blocks.insert(0, thought)
    if reply.stop_reason == "pause_turn":
        owner.paused.append([{k: v for k, v in one.items() if v is not None} for one in blocks])
    return {
        "id": "msg_test",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": blocks,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "usage": usage_of(owner.cached, body, blocks),
    }


def _error(reply: Reply) -> dict[str, Any]:
    kind = ERROR_TYPES[reply.status]
    message = reply.message or kind.removesuffix("_error").replace("_", " ").capitalize()
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_test"}
