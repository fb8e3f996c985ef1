"""`ragpg model ...`: embedding models inside the database, exact and static."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ragpg.console import CollectionName, Json, count_progress, err, open_client, out, print_json
from ragpg.errors import RagpgError

model = typer.Typer(help="Embedding models inside the database.", no_args_is_help=True)


@model.command("load")
def model_load(
    name: Annotated[
        str | None, typer.Argument(help="sentence-transformers model; default: the configured one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Store a model's weights in the database, so that plain SQL embeds questions.

    For models of the BERT family, on Postgres 16 or newer. They are checked against Python first.
    """
    with open_client() as client, err.status("loading and verifying"):
        cosine = client.load_encoder(name)
    if as_json:
        print_json({"verified_cosine": cosine})
    else:
        out.print(f"loaded; smallest cosine to the model in Python: {cosine:.7f}")


@model.command("list")
def model_list(as_json: Json = False) -> None:
    """List the models whose weights are in the database."""
    with open_client() as client:
        rows = client.encoders()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = "in use" if row["verified"] else "not verified"
        out.print(f"{row['embedding_model']}: {state}, {row['dimensions']} dimensions")
    if not rows:
        out.print("none: ragpg model load")


@model.command("drop")
def model_drop(name: Annotated[str, typer.Argument(help="The model's name.")]) -> None:
    """Remove a model's weights from the database; searches fall back to words without them."""
    with open_client() as client:
        if not client.drop_encoder(name):
            raise RagpgError(f'the model "{name}" is not in the database: ragpg model list')
    out.print(f"dropped {name}", markup=False)


@model.command("fit-static")
def model_fit_static(
    collection: CollectionName = "default",
    spans: Annotated[int, typer.Option(help="How many spans of its chunks to fit to.")] = 24_000,
    use: Annotated[bool, typer.Option("--use", help="Search with it if it agrees.")] = False,
    as_json: Json = False,
) -> None:
    """Fit a quick approximation of the model to a collection, and measure it.

    It embeds a question in about a millisecond, for high query rates and search-as-you-type. The
    model must be in the database. Searches use it when told so (--use, or model use-static).
    """
    with open_client() as client, count_progress("embedding") as progress:
        report = client.collection(collection).fit_static_encoder(
            spans=spans, use=use, progress=progress
        )
    if as_json:
        print_json(asdict(report))
        return
    out.print(
        f"fitted to {report.spans:,} spans in {report.seconds:.0f} s; on {report.held_out} others: "
        f"mean cosine to the model {report.mean_cosine:.3f}, "
        f"{report.mean_overlap:.0%} of its ten nearest chunks"
    )
    if report.enabled:
        out.print("searches from SQL use it now")
    elif report.agrees:
        out.print("searches do not use it yet: ragpg model use-static")
    else:
        out.print("that is too little: searches keep the model")


@model.command("use-static")
def model_use_static(
    collection: CollectionName = "default",
    off: Annotated[bool, typer.Option("--off", help="Use the model itself again.")] = False,
) -> None:
    """Make searches from SQL embed questions by the static encoder of a collection."""
    with open_client() as client:
        client.collection(collection).use_static_encoder(not off)
    out.print("the model itself is used" if off else "the static encoder is used")


@model.command("list-static")
def model_list_static(as_json: Json = False) -> None:
    """List the static encoders: agreement, and whether the collection has drifted since."""
    with open_client() as client:
        rows = client.static_encoders()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = "in use" if row["enabled"] else "not in use"
        drift = ", drifted: fit it again" if row["drifted"] else ""
        out.print(
            f"{row['collection']} (search index {row['index_id']}): {state}, "
            f"mean cosine {row['mean_cosine']:.3f}, overlap {row['mean_overlap']:.3f}, "
            f"{row['changed_share']:.0%} of the chunks changed since{drift}",
            markup=False,
        )
    if not rows:
        out.print("none: ragpg model fit-static")


@model.command("drop-static")
def model_drop_static(collection: CollectionName = "default") -> None:
    """Remove the static encoder of a collection; searches use the model itself again."""
    with open_client() as client:
        if not client.collection(collection).drop_static_encoder():
            raise RagpgError(f'"{collection}" has no static encoder: ragpg model list-static')
    out.print(f"dropped the static encoder of {collection}", markup=False)
