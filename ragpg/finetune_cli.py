"""`ragpg advise`, `feedback` and `finetune`: behaviour in the weights, facts in retrieval."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ragpg.console import (
    CollectionName,
    Json,
    count_progress,
    open_client,
    out,
    print_json,
)

finetune = typer.Typer(
    help="Fine-tuning: write a dataset from what people vouched for, and check it.",
    no_args_is_help=True,
)
_SHOWN = 20


def advise(collection: CollectionName = "default", as_json: Json = False) -> None:
    """Retrieval or fine-tuning? Walks the decision with what the database knows; asks no model."""
    with open_client() as client:
        rows = client.collection(collection).advise()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        style = "bold green" if row["step"] == "verdict" else "bold"
        out.print(Text(f"{row['step']} ", style) + Text(row["points_to"], "cyan"))
        out.print(Text(f"  {row['finding']}"))
        out.print(Text(f"  {row['next_command']}", "dim"))


def feedback(
    answer_id: Annotated[int, typer.Argument(help="Id of the answer, as ask --json tells it.")],
    rating: Annotated[str, typer.Argument(help="good or bad.")],
    corrected: Annotated[
        str | None, typer.Option(help="What it should have said; @FILE reads a file.")
    ] = None,
    comment: Annotated[str, typer.Option(help="A remark.")] = "",
) -> None:
    """Say whether an answer was good, and what it should have said."""
    if corrected and corrected.startswith("@"):
        corrected = Path(corrected[1:]).read_text(encoding="utf-8")
    with open_client() as client:
        client.feedback(answer_id, rating, corrected_text=corrected, comment=comment)
    out.print(f"stored: answer {answer_id} is {rating}" + (", corrected" if corrected else ""))


@finetune.command("export")
def finetune_export(
    path: Annotated[Path, typer.Argument(help="File to write, such as train.jsonl.")],
    collection: CollectionName = "default",
    name: Annotated[
        str | None, typer.Option("--set", "-s", help="Only this evaluation set.")
    ] = None,
    statement: Annotated[
        str | None,
        typer.Option("--sql", help="Any query with question and answer (and split_by)."),
    ] = None,
    facts: Annotated[
        bool, typer.Option("--facts", help="Leave the hits out: the facts are learned by heart.")
    ] = False,
    k: Annotated[int, typer.Option("-k", help="Hits before each question.")] = 8,
    validation_share: Annotated[float, typer.Option(min=0, max=1)] = 0.1,
    drop_flagged: Annotated[
        bool, typer.Option("--drop-flagged", help="Leave out what looks secret or personal.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite")] = False,
    as_json: Json = False,
) -> None:
    """Write chat JSONL from answers people accepted or corrected, and from evaluation sets.

    The hits of each question stand before it, so that the form is learned and the facts stay in
    retrieval. Examples about one document are all in the training or all in the validation file.
    """
    with open_client() as client, count_progress("writing") as progress:
        done = client.collection(collection).export_finetuning(
            path,
            evaluation_set=name,
            statement=statement,
            k=None if facts else k,
            validation_share=validation_share,
            drop_flagged=drop_flagged,
            overwrite=overwrite,
            progress=lambda written: progress(written, None),
        )
    if as_json:
        print_json(asdict(done))
        return
    for file, line, kinds in done.flagged[:_SHOWN]:
        out.print(Text(f"{file}, line {line}: {', '.join(kinds)}", "yellow"))
    if len(done.flagged) > _SHOWN:
        out.print(f"and {len(done.flagged) - _SHOWN} more; --drop-flagged leaves them out")
    out.print(
        f"{done.training} examples for training, {done.validation} for validation, "
        f"{done.duplicates} duplicates, {done.dropped} dropped"
    )
    out.print(f"next: ragpg finetune validate {path}")


@finetune.command("validate")
def finetune_validate(
    path: Annotated[Path, typer.Argument(help="The training file.")],
    validation: Annotated[
        Path | None, typer.Option("--validation", help="The validation file, to find leaks.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a chat dataset, also one made elsewhere; exits with 1 when something is wrong."""
    from ragpg.finetuning import validate

    found = validate(path, validation)
    if as_json:
        print_json(asdict(found))
    else:
        for one in found.problems[:_SHOWN]:
            where = one.file + (f", line {one.line}" if one.line else "")
            kind = Text("error: ", "red") if one.is_error else Text("warning: ", "yellow")
            out.print(kind + Text(f"{where}: {one.message}"))
        for name, count in found.counts.items():
            out.print(f"{count:>8,}  {name}")
        out.print(
            f"{found.examples:,} examples, about {found.tokens_median:,} tokens each (median), "
            f"{found.tokens_most:,} at most; {found.errors:,} errors"
        )
    if found.errors:
        raise typer.Exit(1)
