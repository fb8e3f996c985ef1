"""Reads risky formats in a child process: a hang, a crash or a memory hog costs one file.

The child is started once, at the first such file, and reused. It gets the bytes and gives JSON
back, never a pickle: what a hostile file made of it cannot run code here.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe
from typing import Any

from ragpg.errors import LoadError
from ragpg.forking import Lock
from ragpg.reading import media_types as types
from ragpg.reading.ocr_setting import OCR_SECONDS, ocr_is_wanted
from ragpg.reading.result import Reading

TIME_LIMIT = 300.0
"""Seconds one file may take, however large."""
SECONDS_A_MEGABYTE = 60.0
"""And beyond the first so many by its size, so that a folder of small traps has an end, too."""
OCR_TIME_LIMIT = OCR_SECONDS + 300.0
"""Seconds one file may take whose scans are recognised, some seconds a page."""
MEMORY_LIMIT = 3 * 2**30
"""Bytes of address space the child may have, where the platform limits that."""


def read_isolated(data: bytes, media_type: str, *, time_limit: float | None = None) -> Reading:
    """Returns what the child read; whatever befalls it raises LoadError."""
    ocr = media_type in types.OCR_MEDIA_TYPES and ocr_is_wanted()
    limit = time_limit or (OCR_TIME_LIMIT if ocr else seconds_for(len(data)))
    with _LOCK:
        answer = _child().ask(data, f"{media_type} ocr" if ocr else media_type, limit)
    if "error" in answer:
        raise LoadError(answer["error"])
    return Reading(**{**answer, "page_starts": tuple(answer["page_starts"])})


def seconds_for(size: int) -> float:
    """Returns how long a file of so many bytes may take: texts have 400 pages a megabyte."""
    return min(TIME_LIMIT, SECONDS_A_MEGABYTE * (1 + size / 2**20))


# The parent's side -----------------------------------------------------------------------------


class _Child:
    """A process that reads files, one at a time."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._connection, theirs = Pipe()
        # Not through multiprocessing: that would run the user's main module again. -P keeps the
        # current folder, which may hold anybody's files, out of the child's path.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-c", _PROGRAM, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdin is not None
        with contextlib.suppress(OSError), self.process.stdin as paths:  # it may have died
            paths.write(json.dumps([os.path.abspath(path) for path in sys.path]).encode())
        theirs.close()

    def ask(self, data: bytes, media_type: str, limit: float) -> dict[str, Any]:
        """Returns the child's answer; a child that did not answer is gone afterwards."""
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            self.process.kill()

        timer = threading.Timer(limit, stop)
        timer.daemon = True
        timer.start()
        try:
            self._connection.send_bytes(media_type.encode())
            self._connection.send_bytes(data)
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
            return answer
        except (OSError, EOFError) as error:
            raise LoadError(self._end(limit if is_late.is_set() else None)) from error
        except BaseException:  # the user pressed ctrl-C: half an answer may be on its way
            self.close()
            raise
        finally:
            timer.cancel()

    def _end(self, limit: float | None) -> str:
        """Returns why the child ended."""
        self.close()
        if limit is not None:
            return f"reading it took more than {round(limit, 1):g} seconds: not read"
        code = self.process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"it made its reader crash ({how}): save it again, or in another format"

    def is_alive(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None

    def close(self) -> None:
        """Ends the process, unless it is another process's child."""
        self._connection.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()


_LOCK = Lock()
_children: list[_Child] = []


def _child() -> _Child:
    if _children and not _children[0].is_alive():
        _children.pop().close()
    if not _children:
        _children.append(_Child())
    return _children[0]


def process_id() -> int:
    """Returns the child's process id; starts it if need be."""
    with _LOCK:
        return _child().process.pid


@atexit.register
def close() -> None:
    """Ends the child process, if there is one."""
    while _children:
        _children.pop().close()


# The child's side ------------------------------------------------------------------------------

_READERS = {
    types.PDF: "pdf",
    types.DOCX: "docx",
    types.PPTX: "pptx",
    types.EPUB: "epub",
    types.REST: "rst",
    types.XLSX: "xlsx",
    types.ODS: "ods",
    types.XML: "xml",
    types.RTF: "rtf",
    types.OUTLOOK: "outlook",
    **dict.fromkeys(types.PICTURE_MEDIA_TYPES, "picture"),
    **dict.fromkeys((types.ODT, types.ODP), "odf"),
    **dict.fromkeys((types.XLSB, types.XLS), "spreadsheet"),
}
"""The module of each format: `read_` and its name is the reader."""

_PROGRAM = """
import json, sys
sys.path[:] = json.load(sys.stdin)
from ragpg.reading.process import serve
serve(int(sys.argv[1]))
"""


def serve(handle: int) -> None:
    """Answers requests until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    _limit_memory()
    connection = Connection(handle)
    while True:
        try:
            request = connection.recv_bytes().decode()
            data = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(json.dumps(_answer(data, request)).encode())


def _limit_memory() -> None:
    import resource

    for what, limit in ((resource.RLIMIT_AS, MEMORY_LIMIT), (resource.RLIMIT_CORE, 0)):
        try:
            _, most = resource.getrlimit(what)
            allowed = limit if most == resource.RLIM_INFINITY else min(limit, most)
            resource.setrlimit(what, (allowed, most))
        except (ValueError, OSError):  # macOS has no such limit
            continue


def _answer(data: bytes, request: str) -> dict[str, Any]:
    media_type, _, ocr = request.partition(" ")
    try:
        return asdict(_reader(media_type)(data, **({"ocr": True} if ocr else {})))
    except LoadError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"reading it takes more than {MEMORY_LIMIT / 2**30:g} GiB: split it"}
    except RecursionError:
        return {"error": "it is nested too deeply"}
    except Exception as error:
        # The libraries raise whatever they met in a damaged file: KeyError, struct.error, ...
        told = " ".join(str(error).split())[:200]
        return {"error": f"it is damaged ({type(error).__name__}: {told}): save it again"}


def _reader(media_type: str) -> Callable[..., Reading]:
    """Returns the format's reader, whose libraries are imported only now."""
    module = importlib.import_module(f"ragpg.reading.{_READERS[media_type]}")
    reader: Callable[..., Reading] = getattr(module, f"read_{_READERS[media_type]}")
    return reader
