"""Asks web servers: one request at a time, with a pause, bounds and patience (extra `remote`)."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Self

from ragpg.errors import LoadError
from ragpg.reading.remote import TRIES, USER_AGENT, open_session, waiting
from ragpg.reading.result import MAX_FILE_BYTES

_SECONDS = 60.0  # for one answer
_REDIRECTS = 10
_REDIRECTED = (301, 302, 303, 307, 308)
_CHUNK = 2**16


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What a server answered, where redirects led; `trouble` says why there is no whole answer."""

    url: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    trouble: str = ""

    @property
    def kind(self) -> str:
        """The media type it says it is of."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def reason(self) -> str:
        """Why this is not what was asked for."""
        return self.trouble or f"it answers {self.status}"

    @property
    def is_outage(self) -> bool:
        """Whether it says nothing about what is there: later it may."""
        return self.status in (0, 408, 425, 429) or self.status >= 500

    @property
    def is_too_early(self) -> bool:
        """Whether the same may be asked again soon; GitHub's limit may last for an hour."""
        told = self.status == 403 and "Retry-After" in self.headers
        is_early = self.status in (429, 503) or told
        return is_early and self.headers.get("X-RateLimit-Remaining") != "0"


@dataclass(slots=True)
class WebClient:
    """Asks, while the `with` lasts; `pause` seconds lie between two requests."""

    stop: threading.Event
    pause: float = 0.0
    seconds: float = _SECONDS
    is_guarded: bool = True  # against addresses in the local network
    read_bytes: int = 0
    _not_before: float = 0.0
    _session: Any = None

    def __enter__(self) -> Self:
        try:
            from fsspec.asyn import get_loop, sync

            options = {"is_guarded": self.is_guarded, "headers": {"User-Agent": USER_AGENT}}
            self._session = sync(get_loop(), open_session, **options)
        except ImportError as error:
            raise LoadError(f"the web needs {error.name}: pip install 'ragpg[remote]'") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        from fsspec.asyn import get_loop, sync

        sync(get_loop(), self._session.close)

    def get(
        self,
        url: str,
        headers: Mapping[str, str],
        most: int = MAX_FILE_BYTES,
        sink: IO[bytes] | None = None,
    ) -> WebAnswer:
        """Returns the answer, a redirect as it is; asked again, in time, when it was too early.

        With a sink the body goes there.
        """
        from fsspec.asyn import get_loop, sync

        for tried in range(1, TRIES + 1):
            self.stop.wait(max(0.0, self._not_before - time.monotonic()))
            answer: WebAnswer = sync(get_loop(), self._get, url, headers, most, sink)
            self._not_before = time.monotonic() + self.pause
            if not answer.is_too_early or tried == TRIES or self.stop.is_set():
                break
            self.stop.wait(waiting(answer.headers, tried))
        return answer

    def follow(
        self,
        url: str,
        headers: Callable[[str], Mapping[str, str]] = lambda url: {},
        refuse: Callable[[str], str] = lambda url: "",
        most: int = MAX_FILE_BYTES,
        sink: IO[bytes] | None = None,
    ) -> WebAnswer:
        """Returns the answer behind redirects, to where `refuse` gives no reason not to go."""
        from yarl import URL

        for _ in range(_REDIRECTS):
            answer = self.get(url, headers(url), most, sink)
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTED or not target:
                return answer
            try:
                url = str(URL(url).join(URL(target)))
            except ValueError:
                said = f"it leads to {target[:80]!r}, which is no address"
                return WebAnswer(url, answer.status, trouble=said)
            if reason := refuse(url):
                return WebAnswer(url, answer.status, trouble=reason)
        return WebAnswer(url, answer.status, trouble=f"it leads on more than {_REDIRECTS} times")

    async def _get(
        self, url: str, headers: Mapping[str, str], most: int, sink: IO[bytes] | None
    ) -> WebAnswer:
        import aiohttp

        limit = aiohttp.ClientTimeout(total=self.seconds, connect=10, sock_read=30)
        try:
            async with self._session.get(
                url, headers=headers, allow_redirects=False, timeout=limit
            ) as answer:
                said = answer.headers.get("Content-Length", "")
                large = said.isdigit() and int(said) > most
                parts, total = io.BytesIO(), 0
                into = sink if sink and answer.status == 200 else parts
                while not large and (part := await answer.content.read(_CHUNK)):
                    into.write(part)
                    total += len(part)
                    large = total > most
                self.read_bytes += total
                trouble = f"it has more than {most // 2**20} MiB" if large else ""
                body = b"" if large else parts.getvalue()
                return WebAnswer(url, answer.status, answer.headers, body, trouble)
        except TimeoutError:
            return WebAnswer(url, trouble=f"it takes more than {self.seconds:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return WebAnswer(url, trouble=" ".join(str(error).split()) or type(error).__name__)
