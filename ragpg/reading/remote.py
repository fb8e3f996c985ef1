"""Files in buckets and on the web, by fsspec (extra `remote`): listed, compared, read with a bound.

What is asked for may be named by others, so that web addresses that lead into the local network are
refused unless RAGPG_LOCAL_ADDRESSES is 1, those behind a redirect, too.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import mimetypes
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ragpg.errors import LoadError
from ragpg.reading.media_types import MEDIA_TYPES
from ragpg.reading.result import MAX_FILE_BYTES
from ragpg.settings import variable
from ragpg.version import __version__

T = TypeVar("T")
WEB = ("http", "https")
_NEEDED = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
TRIES = 4  # of what answers that it is asked too often
USER_AGENT = f"ragpg/{__version__}"
_LONGEST_WAIT = 60.0
_SECONDS = 300.0  # for one file
_SILENCE = 30.0
_CHUNK = 2**20
# What says that a file changed: the first of these that is known of it.
_VALIDATORS = ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified", "last_modified", "mtime")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file elsewhere, as it was listed; `digest` and `read` are what loading asks of a file."""

    url: str
    files: Any  # fsspec's file system
    path: str  # in it
    size: int | None
    kind: str  # the type a web server says it is of
    validator: str  # "" where nothing says whether it changed

    def __str__(self) -> str:
        return self.url

    def as_posix(self) -> str:
        return self.url

    @property
    def suffix(self) -> str:
        """The suffix of the name, or else of the type."""
        name = urlsplit(self.url).path if self.url.startswith(WEB) else self.url
        suffix = "." + name.rpartition("/")[2].rpartition(".")[2]
        if suffix.lower() in MEDIA_TYPES or not self.kind:
            return suffix if len(suffix) < 20 else ""
        known = [one for one, kind in MEDIA_TYPES.items() if kind == self.kind]
        return known[0] if known else mimetypes.guess_extension(self.kind) or ""

    def digest(self) -> bytes:
        """Returns what changes when the file does: of its ETag or time, else of its bytes."""
        if self.validator:
            return hashlib.sha256(f"{self.validator} {self.size}".encode()).digest()
        return hashlib.sha256(self.read()).digest()

    def read(self) -> bytes:
        """Returns the bytes; raises LoadError for more than are read, and for what takes long."""
        return _told(self.url, lambda: self._read(time.monotonic() + _SECONDS))

    def _read(self, until: float) -> bytes:
        if self.size == 0:  # of nothing no part can be asked for
            return b""
        self._check(self.size or 0)
        if not self.url.startswith(WEB):
            data: bytes = self.files.cat_file(self.path, start=0, end=MAX_FILE_BYTES + 1)
            self._check(len(data))
            return data
        parts, total = [], 0
        with self.files.open(self.path, "rb", block_size=0) as file:
            while part := file.read(_CHUNK):
                parts.append(part)
                total += len(part)
                self._check(total)
                if time.monotonic() > until:
                    raise LoadError(f"{self.url} takes more than {_SECONDS:.0f} s")
        return b"".join(parts)

    def _check(self, size: int) -> None:
        if size > MAX_FILE_BYTES:
            most = MAX_FILE_BYTES // 2**20
            raise LoadError(f"{self.url} has more than {most} MiB: split it")


def files_of_bucket(url: str) -> list[RemoteFile]:
    """Returns the file of an address, all below it or of its pattern; LoadError says why not."""
    return _told(url, lambda: list(_of_bucket(url.partition("://")[0].lower(), url)))


def _of_bucket(scheme: str, url: str) -> Iterator[RemoteFile]:
    import fsspec

    # Neither a file system nor a listing of before: they would not show what changed.
    files = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
    path = files._strip_protocol(url).rstrip("/")
    is_pattern = any(one in path for one in "*?[")
    listed = files.glob(path, detail=True) if is_pattern else files.find(path, detail=True)
    if not isinstance(listed, dict):  # adlfs, of one file
        listed = {name: files.info(name) for name in listed}
    for name, told in sorted(listed.items()):
        below = name if is_pattern else name.removeprefix(path)
        if told["type"] == "file" and not any(one.startswith(".") for one in below.split("/")):
            yield RemoteFile(
                f"{scheme}://{name}", files, name, told.get("size"), "", _validator(told)
            )


def _validator(told: dict[str, Any]) -> str:
    return next((f"{one} {told[one]}" for one in _VALIDATORS if told.get(one)), "")


# The web -----------------------------------------------------------------------------------------


def file_of_web(url: str) -> RemoteFile:
    """Returns what a web address names; LoadError says why it cannot be asked."""
    from fsspec.implementations.http import HTTPFileSystem

    files = HTTPFileSystem(
        get_client=open_session, skip_instance_cache=True, headers={"User-Agent": USER_AGENT}
    )
    told = _told(url, lambda: files.info(url))
    return RemoteFile(url, files, url, told.get("size"), told.get("mimetype", ""), _validator(told))


async def open_session(*, is_guarded: bool = True, **options: Any) -> Any:
    """Returns a session that connects to no local address, unless it is not guarded."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(socket_factory=_socket if is_guarded else None),
        timeout=aiohttp.ClientTimeout(total=_SECONDS, connect=10, sock_read=_SILENCE),
        **options,
    )


def _socket(address: Any) -> socket.socket:
    """Returns the socket for an address that a name led to, or none for a local one.

    Looked at where it is connected to: a name may lead elsewhere the next time it is asked for.
    """
    family, kind, protocol, _, (host, *_) = address
    if not (_is_public(host) or variable("RAGPG_LOCAL_ADDRESSES") == "1"):
        said = f"{host} is in the local network (RAGPG_LOCAL_ADDRESSES=1 lets such be read)"
        raise OSError(errno.EACCES, said)
    return socket.socket(family, kind, protocol)


def _is_public(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in ipaddress.ip_network("64:ff9b::/96"):  # a translator's (RFC 6052)
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(str(inner))
        # Global unicast (RFC 4291): nothing compatible with IPv4, site-local, or a translator's.
        if address not in ipaddress.ip_network("2000::/3"):
            return False
    return address.is_global and not address.is_multicast


# What goes wrong ---------------------------------------------------------------------------------


def _told(url: str, call: Callable[[], T]) -> T:
    """Returns what the call returns, asked again when it is too early; LoadError says why not."""
    for tried in range(1, TRIES + 1):
        try:
            return call()
        except LoadError:
            raise
        except ImportError as error:
            needed = _NEEDED.get(url.partition(":")[0]) or error.name
            also = needed if needed in ("gcsfs", "adlfs") else ""
            told = f"pip install 'ragpg[remote]' {also}".strip()
            raise LoadError(f"{url} needs {needed}: {told}") from error
        except Exception as error:  # of the libraries of each store
            cause = error.__cause__ if isinstance(error, FileNotFoundError) else error
            status = getattr(cause, "status", None)
            if cause is None or status == 404:
                raise LoadError(f"{url} does not exist") from error
            if status not in (429, 503) or tried == TRIES:
                said = f"it answers {status}" if status else " ".join(str(cause).split())
                raise LoadError(f"{url} cannot be read: {said or type(cause).__name__}") from error
            time.sleep(waiting(getattr(cause, "headers", None) or {}, tried))
    raise AssertionError


def waiting(headers: Any, tried: int) -> float:
    """Returns the seconds to wait after so many tries, as Retry-After says, a minute at most."""
    told = headers.get("Retry-After") or ""
    if not told.strip().isdigit():
        try:  # a date
            told = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):  # none, or one without a zone
            told = 2.0**tried
    return min(max(float(told), 0.0), _LONGEST_WAIT)
