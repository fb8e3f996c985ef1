"""A web server of the tests: pages with what a real one does to a client."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class Page:
    """What is answered: a body, at once, without an end, or piece by piece; or a status."""

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    early: int = 0  # so many times it is asked too early
    endless: bool = False
    pause: float = 0.0  # between the bytes
    has_head: bool = True


class PagesServer:
    """A server on 127.0.0.1 while the `with` lasts; `pages` by path, `asked` are the requests."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str]] = []
        self.not_modified: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.owner = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def gets(self) -> list[str]:
        """Returns the paths that were downloaded, and forgets the requests."""
        paths = [path for method, path in self.asked if method == "GET"]
        self.asked.clear()
        return paths

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _is_known(page: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Returns whether who asks has it already; an ETag counts before a time (RFC 9110)."""
    if "If-None-Match" in asked:
        return asked["If-None-Match"] == page.get("ETag")
    return asked.get("If-Modified-Since", "?") == page.get("Last-Modified")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = self._begun("GET")
        if page is None:
            return
        with suppress(OSError):  # who asks has enough
            while page.endless:
                self.wfile.write(b"endless " * 8192)
            for place in range(len(page.body) if page.pause else 0):
                self.wfile.write(page.body[place : place + 1])
                time.sleep(page.pause)
            if not page.pause:
                self.wfile.write(page.body)

    def do_HEAD(self) -> None:
        self._begun("HEAD")

    def _begun(self, method: str) -> Page | None:
        owner: PagesServer = self.server.owner  # type: ignore[attr-defined]
        owner.asked.append((method, self.path))
        page = owner.pages.get(self.path, Page(status=404))
        status = page.status
        if page.early > 0:
            page.early -= 1
            status, page = 429, Page(headers={"Retry-After": "0"})
        if method == "HEAD" and not page.has_head:
            status = 405
        if _is_known(page.headers, dict(self.headers)):
            owner.not_modified.append(self.path)
            status = 304
        self.send_response(status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", page.kind)
        if not (page.endless or page.pause):
            self.send_header("content-length", str(len(page.body)))
        self.end_headers()
        return page if status == 200 else None

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
