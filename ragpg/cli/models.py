"""`ragpg model ...`: embedding models inside the database."""

from __future__ import annotations

from typing import Annotated

import typer

from ragpg.cli.console import Json, err, open_client, out, print_json
from ragpg.cli.help import Commands
from ragpg.errors import RagpgError

model = typer.Typer(
    cls=Commands, help="Embedding models inside the database.", no_args_is_help=True
)


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
        cosine = client.models.load(name)
    if as_json:
        print_json({"verified_cosine": cosine})
    else:
        out.print(f"loaded; smallest cosine to the model in Python: {cosine:.7f}")


@model.command("list")
def model_list(as_json: Json = False) -> None:
    """List the models whose weights are in the database."""
    with open_client() as client:
        rows = client.models.status()
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
        if not client.models.drop(name):
            raise RagpgError(f'the model "{name}" is not in the database: ragpg model list')
    out.print(f"dropped {name}", markup=False)
