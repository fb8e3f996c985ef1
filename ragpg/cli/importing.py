"""`ragpg import`: another store's table, as it is."""

from __future__ import annotations

from typing import Annotated

import typer

from ragpg.cli.console import Json, err, open_client, out, print_json


def import_(
    framework: Annotated[str, typer.Argument(help="Whose table it is: langchain.")],
    table: Annotated[
        str, typer.Argument(help="The table of PGVectorStore, or the collection of PGVector.")
    ],
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Where to; default: the table's name.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="URL of the table's database; default: ragpg's own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take over another store's table: ids, texts, metadata and vectors, without embedding anew.

    RAGPG_EMBEDDING_MODEL has to name the model that made the vectors, or given/NAME@DIMENSIONS
    where it cannot be had. Interrupted, the same command goes on.
    """
    from ragpg.integrations.importing import import_table

    counts = {"added": 0, "updated": 0, "unchanged": 0, "failed": 0}

    def listen(report: object) -> None:
        for name in counts:
            counts[name] += getattr(report, name)
        for failure in getattr(report, "failures", ()):
            err.print(f"failed: {failure.source}: {failure.reason}", markup=False)

    with open_client() as client:
        import_table(
            client,
            framework,
            table,
            collection=collection or table,
            database_url=database,
            on_batch=listen,
        )
    if as_json:
        print_json(counts)
    else:
        out.print(", ".join(f"{count:,} {name}" for name, count in counts.items()), markup=False)
    if counts["failed"]:
        raise typer.Exit(1)
