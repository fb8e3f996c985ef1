"""What the commands of the command line share: output, options, the client."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from ragpg.client import Client

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
CollectionName = Annotated[
    str, typer.Option("--collection", "-c", help="Name of the collection.", show_default=True)
]
Filter = Annotated[
    str | None,
    typer.Option("--filter", help='\'$.tier == "pro"\', or as JSON \'{"tier": "pro"}\'.'),
]


def table_of(*headings: str) -> Table:
    """Returns a table without rules, which stays legible in 80 columns."""
    return Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def open_client() -> Client:
    """Returns a client of the database the environment names."""
    from ragpg.client import connect

    # Importing torch takes seconds, embedding a question in the database a tenth of one.
    return connect(embed_in_database=True)


@contextmanager
def ingest_progress() -> Iterator[Any]:
    """Yields a listener that draws a progress bar on standard error, where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("documents, {task.fields[chunks]:,} chunks embedded"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("ingesting", total=None, chunks=0)

        def listen(*, documents: int, total: int, chunks: int) -> None:
            bar.update(task, completed=documents, total=total, chunks=chunks)

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
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
