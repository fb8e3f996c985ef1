"""`ragpg import`: another store's table, as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragpg.cli.console import (
    Json,
    count_progress,
    ended_by_signals,
    err,
    open_client,
    out,
    print_json,
)

if TYPE_CHECKING:
    from ragpg.indexing import AddReport

_PLAIN = "pgvector: the column that %s; default: guessed, and told."

Framework = Annotated[
    str,
    typer.Argument(
        help="Whose table it is: langchain, llamaindex, haystack, or pgvector for any other."
    ),
]
TableName = Annotated[
    str,
    typer.Argument(
        help="Its name, or schema.name, as the store was given it; of LangChain's PGVector the "
        "collection's."
    ),
]
Into = Annotated[
    str | None, typer.Option("--collection", "-c", help="Where to; default: the table's name.")
]
Database = Annotated[
    str | None, typer.Option(help="URL of the table's database; default: ragpg's own.")
]
Schema = Annotated[
    str | None, typer.Option(help="The table's schema; default: as the search path has it.")
]
Id = Annotated[str | None, typer.Option(help=_PLAIN % "identifies a row")]
TextColumn = Annotated[
    str | None, typer.Option(help=_PLAIN % "holds the text, or a key of the JSON metadata")
]
Vector = Annotated[str | None, typer.Option(help=_PLAIN % "holds the vector")]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata", help="pgvector: a column that becomes metadata, again for more; default: all."
    ),
]


class _Told:
    """What an import did, told while it runs."""

    def __init__(self) -> None:
        self.counts = {"added": 0, "updated": 0, "unchanged": 0, "failed": 0}
        self.failures: list[dict[str, str]] = []
        self.notes: list[str] = []

    def batch(self, report: AddReport) -> None:
        for name in self.counts:
            self.counts[name] += getattr(report, name)
        for one in report.failures:
            self.failures.append({"source": one.source, "reason": one.reason})
            err.print(f"failed: {one.source}: {one.reason}", markup=False)

    def note(self, text: str) -> None:
        self.notes.append(text)
        err.print(text, markup=False)


def import_(
    framework: Framework,
    table: TableName,
    collection: Into = None,
    database: Database = None,
    schema: Schema = None,
    id: Id = None,
    text: TextColumn = None,
    vector: Vector = None,
    metadata: Metadata = None,
    as_json: Json = False,
) -> None:
    """Take over another store's table: ids, texts, metadata and vectors, without embedding anew.

    RAGPG_EMBEDDING_MODEL has to name the model that made the vectors, or given/records@DIMENSIONS
    where it cannot be had. Interrupted, the same command goes on; run again, it takes what changed.
    A row without text or vector is told, and the rest done. Exit code 1 when one failed.
    """
    from ragpg.integrations.importing import import_table
    from ragpg.integrations.importing_columns import Columns

    told = _Told()
    with open_client() as client, ended_by_signals() as stop, count_progress("importing") as bar:
        import_table(
            client,
            framework,
            table,
            collection=collection or table,
            database_url=database,
            schema=schema,
            columns=Columns(id, text, vector, tuple(metadata) if metadata else None),
            on_batch=told.batch,
            on_note=told.note,
            progress=bar,
            stop=stop,
        )
    if as_json:
        print_json({**told.counts, "failures": told.failures, "notes": told.notes})
    else:
        out.print(
            ", ".join(f"{count:,} {name}" for name, count in told.counts.items()), markup=False
        )
    if stop.is_set():
        err.print("stopped before its end: what is told above is kept, the same command continues")
        raise typer.Exit(130)
    if told.counts["failed"]:
        raise typer.Exit(1)
