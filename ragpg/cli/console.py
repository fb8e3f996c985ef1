"""What the commands of the command line share: output, options, the client."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TextIO
from urllib.parse import urlsplit, urlunsplit

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from ragpg.errors import RagpgError

if TYPE_CHECKING:
    from ragpg.client import Client

# What a terminal obeys instead of showing it, and what turns the order of characters around.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _Console(Console):
    """Shows control characters of names and contents as escapes: they are others' text."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else _CONTROLS.sub(_escape, text), style, control)


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}" if match[0] < "\xff" else f"\\u{ord(match[0]):04x}"


class _Table(Table):
    """Measures its cells as they are shown."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        shown = (_CONTROLS.sub(_escape, one) if isinstance(one, str) else one for one in cells)
        super().add_row(*shown, **options)


class End:
    """A cell that is cut at its beginning: a path's end tells it from others."""

    def __init__(self, text: str) -> None:
        self.text = _CONTROLS.sub(_escape, text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = cell_len(self.text)
        return Measurement(min(width, 20), width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = self.text
        while cell_len(shown) + (shown is not self.text) > options.max_width:
            shown = shown[1:]
        yield Text(shown if shown is self.text else f"…{shown}", no_wrap=True)


def _console(stream: TextIO, *, stderr: bool) -> Console:
    # Where no terminal is, nothing says how wide a table may be: none is cut.
    wide = None if stream.isatty() or os.environ.get("COLUMNS") else 10_000
    return _Console(stderr=stderr, soft_wrap=True, highlight=False, width=wide)


# A lost connection is told once, by the error.
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())

out = _console(sys.stdout, stderr=False)
err = _console(sys.stderr, stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
CollectionName = Annotated[
    str, typer.Option("--collection", "-c", help="Name of the collection.", show_default=True)
]
Filter = Annotated[
    str | None,
    typer.Option("--filter", help='\'$.tier == "pro"\', or as JSON \'{"tier": "pro"}\'.'),
]


def table_of(*headings: str) -> Table:
    """Returns a table without rules that is legible in 80 columns: cells wrap, none is cut."""
    columns = [Column(one, overflow="fold") for one in headings]
    return _Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def open_client() -> Client:
    """Returns a client of the database the environment names."""
    from ragpg.client import connect

    # Importing torch takes seconds, embedding a question in the database a tenth of one.
    return connect(embed_in_database=True)


def load_model_once(client: Client) -> None:
    """Makes a database that holds nothing yet embed questions itself, as `ragpg init` does."""
    if client.collections():
        return
    try:
        with err.status("loading the embedding model into the new database, once"):
            done = client.models.ensure()
    except RagpgError as error:  # such as a role that may not: documents are added nevertheless
        err.print(Text(f"the database does not embed questions: {error}"))
        return
    said = f"questions are embedded in SQL by {done.model}" if done.loaded else done.reason
    err.print(Text(f"the new database: {said}"))


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Yields what Ctrl-C or SIGTERM sets, so that what is at hand is stored; twice ends at once."""
    stop = threading.Event()

    def end(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        err.print("stopping when the documents at hand are stored; Ctrl-C again stops at once")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def ingest_progress() -> Iterator[Any]:
    """Yields a listener that draws a progress bar on standard error, where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[documents]}, {task.fields[chunks]:,} chunks embedded"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("ingesting", total=None, documents="reading", chunks=0)

        def listen(*, documents: int, total: int, chunks: int, share: float) -> None:
            told = f"{documents:,} of {total:,} documents"
            bar.update(task, completed=share, total=1, documents=told, chunks=chunks)

        yield listen


@contextmanager
def count_progress(task: str) -> Iterator[Any]:
    """Yields a listener of (done, total, what) that draws a bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal
    ) as bar:
        drawn = bar.add_task(task, total=None)
        yield lambda done, total, what=task: bar.update(
            drawn, completed=done, total=total, description=what
        )


def public_url(url: str) -> str:
    """Returns the URL without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")))


def print_json(value: Any) -> None:
    """Writes a value as JSON to standard output."""
    sys.stdout.write(json_of(value, indent=2) + "\n")


def json_of(value: Any, indent: int | None = None) -> str:
    """Returns a value as JSON that a terminal may show, too."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=indent)
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
