"""`ragpg tune`: try settings on an evaluation set, propose, and change nothing unless told to."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ragpg.cli.console import (
    CollectionName,
    Json,
    count_progress,
    open_client,
    out,
    print_json,
    table_of,
)

if TYPE_CHECKING:
    from ragpg.evaluation.evaluating import Difference
    from ragpg.evaluation.tuning import Trial, Tuning

_WIDTH, _HEIGHT = 60, 12  # of the drawing, in characters


def tune(
    collection: CollectionName = "default",
    name: Annotated[str, typer.Option("--set", "-s", help="Name of the evaluation set.")] = (
        "default"
    ),
    k: Annotated[int, typer.Option("-k", help="Hits of the active search index's size.")] = 10,
    chunk_tokens: Annotated[
        list[int] | None,
        typer.Option(help="Also try chunks of this size (builds a search index); repeatable."),
    ] = None,
    overlap_tokens: Annotated[
        list[int] | None,
        typer.Option(help="Also try chunks that share so many tokens with the one before."),
    ] = None,
    questions: Annotated[int, typer.Option(help="Ask at most so many, drawn by hash.")] = 300,
    activate: Annotated[
        bool, typer.Option("--activate", help="Use what is proposed, if better than chance.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find better settings by an evaluation set: weight, candidates, ef_search, chunks.

    All search indexes of the collection take part. Settings are chosen on half of the questions and
    judged on the other half. Nothing is changed without --activate.
    """
    with open_client() as client:
        held = client.collection(collection)
        with count_progress("asking") as progress:
            found = held.evaluation.tune(
                name,
                k=k,
                chunk_tokens=chunk_tokens or (),
                overlap_tokens=overlap_tokens or (),
                most_questions=questions,
                progress=progress,
            )
        if activate and found.is_better:
            held.evaluation.use(found.proposal)
    if as_json:
        print_json({**_plain(found), "activated": activate and found.is_better})
        return
    _show(found)
    if found.is_better and activate:
        out.print("these settings are active now; back: ragpg index rollback, or set them again")
    elif found.is_better:
        out.print("to use it: the same command with --activate")


def _plain(found: Tuning) -> dict[str, Any]:
    return {
        "trials": [asdict(one) for one in found.trials],
        "present_run": found.present.run_id,
        "proposed_run": found.proposal.run_id,
        "held_out": found.difference and asdict(found.difference),
        "is_better": found.is_better,
    }


def _show(found: Tuning) -> None:
    table = table_of(
        "",
        "index",
        "tokens",
        "overlap",
        "k",
        "weight",
        "candidates",
        "ef",
        "nDCG",
        "span",
        "ms",
        "MB",
        "",
    )
    for number, one in enumerate(found.trials, 1):
        told = {found.present.run_id: "present", found.proposal.run_id: "proposed"}
        if found.present.run_id == found.proposal.run_id:
            told = {found.present.run_id: "present, proposed"}
        table.add_row(
            f"{number}",
            f"{one.index_id}",
            f"{one.chunk_tokens}",
            f"{one.overlap_tokens}",
            f"{one.k}",
            "by question" if one.vector_weight is None else f"{one.vector_weight:.2g}",
            f"{one.candidates}",
            f"{one.ef_search}",
            f"{one.train_ndcg:.3f}",
            f"{one.train_span_recall:.3f}",
            f"{one.latency_p50_ms:.1f}",
            f"{(one.index_bytes or 0) / 1e6:.1f}",
            told.get(one.run_id, "best trade" if one.best_trade else ""),
        )
    out.print(table)
    out.print("nDCG, and share of the labelled text found (span): on the half chosen by")
    out.print(_drawing(found.trials))
    if found.difference is None:
        out.print("the present settings are the best of these")
    else:
        out.print(f"proposed against present, {_told(found.difference)}")
    if found.difference and not found.is_better:
        out.print("no better than chance: keep what you have")


def _told(held_out: Difference) -> str:
    return (
        f"on the {held_out.questions} questions nothing was chosen on: {held_out.measure} "
        f"{held_out.first_mean:.3f} to {held_out.second_mean:.3f} "
        f"({held_out.low:+.3f} to {held_out.high:+.3f})"
    )


def _drawing(trials: list[Trial]) -> Text:
    """Draws quality against latency; the numbers are the table's, and best trades stand out."""
    slowest = max(one.latency_p50_ms for one in trials)
    qualities = [one.train_span_recall for one in trials]
    low, high = min(qualities), max(qualities)
    cells: dict[tuple[int, int], tuple[str, bool]] = {}
    for number, one in reversed(list(enumerate(trials, 1))):
        column = round(one.latency_p50_ms / slowest * (_WIDTH - 3))
        row = round((high - one.train_span_recall) / ((high - low) or 1) * (_HEIGHT - 1))
        cells[row, column] = (str(number), one.best_trade)
    drawn = Text()
    for row in range(_HEIGHT):
        label = {0: f"{high:.3f} ", _HEIGHT - 1: f"{low:.3f} "}.get(row, "      ")
        drawn.append(label + "│", "dim")
        column = 0
        while column < _WIDTH:
            shown, stands_out = cells.get((row, column), (" ", False))
            drawn.append(shown, "bold green" if stands_out else "")
            column += len(shown)
        drawn.append("\n")
    drawn.append(
        "      └" + "─" * _WIDTH + f"\n      0{'ms a search':^{_WIDTH - 8}}{slowest:.1f}", "dim"
    )
    return drawn
