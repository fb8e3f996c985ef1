"""`ragpg finetune embedder`: a better embedding model, or an honest "no gain"."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragpg.cli.console import CollectionName, Json, count_progress, open_client, out, print_json
from ragpg.cli.evaluation import SetName, print_differences
from ragpg.errors import BadArgument

if TYPE_CHECKING:
    from ragpg.finetuning.embedder import Plan, Result

VERDICTS = {
    "gain": "a gain: nDCG on documents it did not learn is better by more than chance",
    "loss": "a loss: nDCG on documents it did not learn is worse by more than chance; keep the old",
    "no gain": "no gain: the change of nDCG is no more than chance; keep the old model",
}


def finetune_embedder(
    collection: CollectionName = "default",
    name: SetName = "default",
    output: Annotated[
        Path | None, typer.Option("--output", help="New folder; default: RAGPG_HOME/models/NAME.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often each pair is seen.")] = 1,
    batch_size: Annotated[int, typer.Option(min=2, help="Pairs of a step.")] = 16,
    negatives: Annotated[int, typer.Option(min=0, help="Hard negatives of a pair.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Train on at most so many.")] = None,
    k: Annotated[int, typer.Option("-k", help="Hits asked for in the comparison.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the order of the pairs.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what there is.")] = False,
    as_json: Json = False,
) -> None:
    """Train the active embedding model on labelled questions and judge it on documents held out.

    Learns from all evaluation sets, accepted answers and citations of the collection. Saves the
    model, builds a search index with it, and compares both on the held-out questions of the
    evaluation set. Nothing is activated.
    """
    from ragpg.finetuning.embedder import as_plain
    from ragpg.finetuning.training import Recipe

    recipe = Recipe(epochs=epochs, batch_size=batch_size, seed=seed)
    with open_client() as client, count_progress("reading") as progress:
        finetuning = client.collection(collection).finetuning
        training = finetuning.embedder(name, folder=output, limit=limit)
        found = (
            None if dry_run else training.run(recipe, negatives=negatives, k=k, progress=progress)
        )
    if as_json:
        print_json(as_plain(found) if found else asdict(training.plan))
        return
    _show_plan(training.plan)
    if found:
        _show(found)
        return
    try:
        training.check()
    except BadArgument as error:
        out.print(f"not enough yet: {error}", markup=False)


def _show_plan(plan: Plan) -> None:
    out.print(
        f"{plan.pairs:,} pairs to train {plan.base_model} on; held out: "
        f"{plan.held_out_questions:,} questions, {plan.held_out_documents:,} documents with "
        f"{plan.held_out_pairs:,} pairs",
        markup=False,
    )


def _show(found: Result) -> None:
    folder = shlex.quote(str(found.plan.folder))
    print_differences(
        found.measures, f"index {found.plan.index_id}", f"index {found.index_id} (trained)"
    )
    out.print(VERDICTS[found.verdict], style="bold")
    out.print(
        f"{found.negatives:,} hard negatives; {found.seconds:.0f} s; nothing is activated\n"
        f"to use it:   ragpg index activate {found.index_id}\n"
        f"             export RAGPG_EMBEDDING_MODEL={folder}\n"
        f"             ragpg model load {folder}    # plain SQL embeds questions with it\n"
        f"to drop it:  ragpg index drop {found.index_id} && rm -r {folder}\n"
        f"by question: ragpg eval compare {found.runs[0]} {found.runs[1]}",
        markup=False,
    )
