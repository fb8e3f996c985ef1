"""`ragpg add --sync` and `--watch`: folders and their collection in step."""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.text import Text

from ragpg.cli.console import err, ingest_progress, json_of, out
from ragpg.errors import BadArgument, TooManyVanished
from ragpg.indexing.adding import MAX_DELETED_SHARE

SyncOption = Annotated[
    bool,
    typer.Option("--sync", help="Also delete the documents whose file vanished from the folders."),
]
DeleteManyOption = Annotated[
    bool,
    typer.Option(
        "--delete-many", help="With --sync or --watch: even more than a fifth, without asking."
    ),
]
WatchOption = Annotated[
    bool,
    typer.Option("--watch", help="Go on and follow the folders' changes until Ctrl-C or SIGTERM."),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option(help="Only paths and addresses like this; * is anything. Again for several."),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(help="None like this, such as '*/drafts/*'; web pages are not asked for."),
]
DepthOption = Annotated[
    int | None,
    typer.Option(min=0, help="Of web addresses: follow so many links from them, on their sites."),
]
PagesOption = Annotated[int, typer.Option(min=1, help="Of each web site, at most so many pages.")]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=NAME",
        help="Of .parquet, .arrow and .feather: which column is text, title, source or embedding, "
        "where it has another name; without a name none is. Again for several.",
    ),
]
_COLOURS = {"added": "green", "updated": "cyan", "deleted": "yellow"}


def read_columns(given: list[str] | None) -> dict[str, str | None]:
    """Returns the names of columns by their field; raises BadArgument for what names none."""
    named = [one.partition("=") for one in given or []]
    for field, sign, _ in named:
        if not (field and sign):
            raise BadArgument(f"--column {field} says no field and name: --column text=body")
    return {field: name or None for field, _, name in named}


def add_paths(
    held: Any, paths: list[str], options: dict[str, Any], delete_many: bool, stop: threading.Event
) -> Any:
    """Returns the report of an ingest; on a terminal asks before more than a fifth is deleted."""
    share = 1.0 if delete_many else MAX_DELETED_SHARE
    with ingest_progress() as progress:
        try:
            return held.add(
                paths,
                progress=progress,
                max_deleted_share=share,
                on_outcome=_tell_slow,
                stop=stop,
                **options,
            )
        except TooManyVanished as error:
            if not (sys.stdin.isatty() and err.is_terminal):
                raise
            question = str(error).partition(" (")[0]
    typer.confirm(f"{question}. Delete them", abort=True, err=True)
    return add_paths(held, paths, options, True, stop)


def watch_paths(
    held: Any,
    paths: list[str],
    options: dict[str, Any],
    delete_many: bool,
    as_json: bool,
    stop: threading.Event,
) -> None:
    """Follows the folders until `stop` is set, telling a line for each change."""

    def ready(report: Any) -> None:
        if as_json:
            _write_line({"outcome": "ready", **asdict(report)})
        else:
            print_report(report)
            err.print("watching; Ctrl-C ends")

    def change(one: Any) -> None:
        if as_json:
            _write_line(asdict(one))
            return
        line = Text(f"{one.outcome} ", style=_COLOURS.get(one.outcome, "red"))
        out.print(line + Text(" ".join((one.reason or one.source).split())))

    with ingest_progress() as progress:
        held.watch(
            paths,
            stop=stop,
            on_ready=ready,
            on_change=change,
            max_deleted_share=1.0 if delete_many else MAX_DELETED_SHARE,
            progress=progress,
            **options,
        )


def print_report(report: Any) -> None:
    """Prints what an ingest did, and what it could not read."""
    for failure in report.failures:
        err.print(Text("failed: ", style="red") + Text(failure.reason))
    print_skipped(report.skipped)
    for scan in report.scans:
        err.print(Text(f"{scan.path}: {scan.reason}"))
    deleted = f"{report.deleted} deleted, " if report.deleted else ""
    out.print(
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        f"{deleted}{report.failed} failed; {report.chunks_embedded:,} chunks embedded, "
        f"{report.chunks_reused:,} reused, in {report.seconds:.1f} s"
    )


def print_skipped(skipped: Any) -> None:
    """Prints what was left out: many of one reason as a number, others each by its name."""
    for reason, group in groupby(sorted(skipped, key=lambda one: one.reason), lambda o: o.reason):
        paths = [one.path for one in group]
        if reason.startswith("a kind that is not read"):
            err.print(Text(f"skipped {len(paths)}: {reason}"))
        else:
            for path in paths:
                err.print(Text(f"skipped {path}: {reason}"))


def _tell_slow(outcome: str, source: str, reason: str) -> None:
    if outcome == "slow":
        err.print(Text(reason))


def _write_line(value: dict[str, Any]) -> None:
    sys.stdout.write(json_of(value) + "\n")
    sys.stdout.flush()
