"""`ragpg plan`: what so many chunks take, before there are any."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ragpg.cli.console import Json, out, print_json, table_of


def plan(
    chunks: Annotated[float, typer.Option(help="How many: 250000, 1e8.")],
    dimensions: Annotated[int, typer.Option(help="Numbers of an embedding.")] = 384,
    characters: Annotated[int, typer.Option(help="Of a chunk, on average.")] = 1000,
    chunks_a_document: Annotated[float, typer.Option(help="On average.")] = 5,
    values: Annotated[int, typer.Option(help="Values of a document's metadata.")] = 5,
    as_json: Json = False,
) -> None:
    """Tell what so many chunks will take: disk, and memory for the vector index.

    Arithmetic from what was measured (docs/scale.md); no database is asked.
    """
    from ragpg.inspection import planning

    found = planning.plan(
        chunks,
        dimensions,
        characters=characters,
        chunks_a_document=chunks_a_document,
        values=values,
    )
    if as_json:
        print_json({**asdict(found), "disk": found.disk})
        return
    table = table_of(f"{found.chunks:,} chunks of {dimensions:,} dimensions", "GB")
    whole = found.vector_index
    for name, size in (
        ("documents and texts of chunks", found.documents),
        ("words and their index", found.words),
        ("embeddings", found.embeddings),
        ("metadata for filters", found.metadata),
        ("vector index", whole),
        ("  or of bits: --quantize bit", found.vector_index_of_bits),
        ("on disk", found.disk),
    ):
        table.add_row(name, "not above 4,000 dimensions" if size is None else f"{size / 1e9:,.1f}")
    out.print(table)
    out.print(
        "a vector index answers quickly while it is in memory; while it is, loading with ready\n"
        f"embeddings takes about {found.load_hours:,.1f} hours on two cores"
    )
