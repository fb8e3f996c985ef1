"""`ragpg collections` and `ragpg drop`: what there is, and how it goes."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from ragpg.cli.console import Json, open_client, out, print_json, table_of


def collections(as_json: Json = False) -> None:
    """List the collections, with what each holds."""
    with open_client() as client:
        rows = client.collections()
    if as_json:
        print_json(rows)
        return
    print_collections(rows)


def print_collections(
    rows: list[dict[str, Any]], recalls: dict[str, float | None] | None = None
) -> None:
    """Prints a row a collection, with the recall of its active index where one was measured."""
    measured = ("recall",) if any(one is not None for one in (recalls or {}).values()) else ()
    table = table_of("collection", "documents", "pending", "chunks", *measured, "model", "changed")
    for one in rows:
        recall = (recalls or {}).get(one["collection"])
        table.add_row(
            escape(one["collection"]),
            f"{one['documents']:,}",
            f"{one['pending_documents']:,}",
            f"{one['chunks']:,}",
            *("" if recall is None else f"{recall:.3f}" for _ in measured),
            one["embedding_model"] or "",
            f"{one['last_changed_at']:%Y-%m-%d %H:%M}" if one["last_changed_at"] else "",
        )
    out.print(table if rows else "no collection yet: ragpg add PATH --collection NAME")


def drop(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Drop a collection with everything in it: documents, versions, answers, evaluation sets."""
    with open_client() as client:
        held = {one["collection"]: one["documents"] for one in client.collections()}
        if not yes and collection in held:
            typer.confirm(
                f"{collection} with {held[collection]:,} documents shall go? Nothing of it can be "
                "restored",
                abort=True,
            )
        gone = client.drop_collection(collection)
    if as_json:
        print_json({"dropped": collection, "documents": gone})
    else:
        out.print(f"dropped {collection} with {gone:,} documents", markup=False)
