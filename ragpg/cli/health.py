"""`ragpg status` and `ragpg metrics`: is all well, for people, monitoring and scrapers."""

from __future__ import annotations

import sys
from typing import Any

import typer
from rich.markup import escape
from rich.text import Text

from ragpg.cli.console import Json, open_client, out, print_json, table_of


def status(as_json: Json = False) -> None:
    """Show the database, what each collection holds, and what needs attention.

    Exit code 0 when all is well, 3 when something needs attention, 1 when it cannot be told.
    """
    with open_client() as client:
        server, collections, health = client.server(), client.collections(), client.health.status()
        version = _schema_version(client.database)
    if as_json:
        print_json({**server, "schema": version, "collections": collections, **health})
    else:
        _print_status({**server, "schema": version}, collections, health)
    if health["problems"]:
        raise typer.Exit(3)


def metrics() -> None:
    """Print the health as OpenMetrics text, for a scraper such as Prometheus."""
    with open_client() as client:
        sys.stdout.write(client.health.metrics())


def _print_status(
    server: dict[str, Any], collections: list[dict[str, Any]], health: dict[str, Any]
) -> None:
    out.print(
        f"Postgres {server['postgres']}, pgvector {server['pgvector']}, "
        f"database {server['database']}, schema {server['schema']}"
    )
    table = table_of("collection", "documents", "pending", "chunks", "recall", "model", "changed")
    recalls = {row["collection"]: row["recall"] for row in health["indexes"] if row["active"]}
    for one in collections:
        recall = recalls.get(one["collection"])
        table.add_row(
            escape(one["collection"]),
            f"{one['documents']:,}",
            f"{one['pending_documents']:,}",
            f"{one['chunks']:,}",
            "" if recall is None else f"{recall:.3f}",
            one["embedding_model"] or "",
            f"{one['last_changed_at']:%Y-%m-%d %H:%M}" if one["last_changed_at"] else "",
        )
    out.print(table if collections else "no collection yet: ragpg add PATH --collection NAME")
    for wrong in health["problems"]:
        out.print(
            Text(f"{wrong['collection'] or 'ragpg'}: {wrong['problem']}: ", style="yellow")
            + Text(f"{wrong['detail']}; {wrong['what_to_do']}")
        )
    if collections and not health["problems"]:
        out.print(Text("all is well", style="green"))


def _schema_version(database: Any) -> str | None:
    from ragpg.database import schema_version

    with database.connection() as connection:
        return schema_version(connection)
