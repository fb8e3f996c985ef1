"""`ragpg status` and `ragpg metrics`: is all well, for people, monitoring and scrapers."""

from __future__ import annotations

import sys
from typing import Any

import typer
from rich.text import Text

from ragpg.cli.collections import print_collections
from ragpg.cli.console import Json, open_client, out, print_json


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
    recalls = {row["collection"]: row["recall"] for row in health["indexes"] if row["active"]}
    print_collections(collections, recalls)
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
