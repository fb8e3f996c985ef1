"""The head of the evaluation report: how good a run is, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ragpg.evaluation import drawings
from ragpg.evaluation.evaluating import Difference
from ragpg.evaluation.markup import escape, number, signed, table

Row = dict[str, Any]
MEASURES = {
    "ndcg": ("nDCG", "relevant hits, counted more the higher they stand"),
    "mrr": ("MRR", "1 divided by the place of the first relevant hit"),
    "success": ("success", "share of questions with a relevant hit at all"),
    "recall": ("recall", "share of the relevant chunks found"),
    "span_recall": ("span recall", "share of the labelled characters found"),
    "span_iou": ("span IoU", "labelled and found characters: shared, of all"),
}


def summary_section(run: Row, before: Row | None, changes: Sequence[Difference]) -> str:
    """Returns the measures of a run, beside those of the one before where there is one."""
    found = round((run["success"] or 0) * run["labelled_questions"])
    lead = (
        f"<b>{found} of {run['labelled_questions']} questions</b> have a labelled text among their "
        f"first {run['k']} hits."
        if run["labelled_questions"]
        else "No question has a labelled text in the collection: see the labels below."
    )
    lead = f'<p class="lead">{lead} {_verdict(before, changes)}</p>'
    if before is None or not changes:
        rows = [
            [_measure(key), f"<b>{number(run[key])}</b>"]
            for key in MEASURES
            if run[key] is not None
        ]
        return lead + table(["measure", "#value"], rows) + _meanings()
    by_name = {one.measure: one for one in changes}
    span = max(0.01, *(max(abs(one.low), abs(one.high)) for one in changes))
    rows = []
    for one in (by_name[key] for key in MEASURES if key in by_name):
        told = "" if one.is_noise else "up" if one.difference > 0 else "down"
        rows.append(
            [
                _measure(one.measure),
                number(one.first_mean),
                f"<b>{number(one.second_mean)}</b>",
                f'<span class="{told}">{signed(one.difference)}</span>',
                drawings.interval(one.low, one.difference, one.high, span),
                f"{signed(one.low)} to {signed(one.high)}",
                f"{one.better} / {one.worse}",
            ]
        )
    heads = [
        "measure",
        f"#run {before['run_id']}",
        f"#run {run['run_id']}",
        "#change",
        "~worse | better",
        "#95 % interval",
        "#better / worse",
    ]
    other_k = (
        f"<b>Run {before['run_id']} was asked for {before['k']} hits, run {run['run_id']} for "
        f"{run['k']}: more hits find more, whatever else changed.</b> "
        if before["k"] != run["k"]
        else ""
    )
    return (
        f"{lead}{table(heads, rows)}{_meanings()}"
        f'<p class="soft small">{other_k}Means over the {changes[0].questions} '
        "labelled questions both runs asked. The interval is a paired bootstrap over the "
        "questions; grey, holding 0, it is noise: asking other questions of the same kind could "
        "turn the change around.</p>"
    )


def _verdict(before: Row | None, changes: Sequence[Difference]) -> str:
    if before is None:
        return "This is the first run: change something, run again, and the page compares."
    if not changes:
        return f"It shares no labelled question with run {before['run_id']}."
    (one,) = [one for one in changes if one.measure == "ndcg"]
    note = before["note"] or before["mode"]
    against = f"run {before['run_id']} ({escape(note)}, first {before['k']} hits)"
    told = f"nDCG {signed(one.difference)} ({signed(one.low)} to {signed(one.high)})"
    if one.is_noise:
        return f"Against {against} there is no change beyond noise: {told}."
    way = "Better" if one.difference > 0 else "Worse"
    return (
        f'<span class="{"up" if way == "Better" else "down"}">{way}</span> than {against}: {told}.'
    )


def _measure(key: str) -> str:
    name, told = MEASURES[key]
    return f"{name}<small>{told}</small>"


def _meanings() -> str:
    """Returns what the measures are, where a screen is too narrow to say it in the table."""
    told = "".join(f"<dt>{name}</dt><dd>{told}</dd>" for name, told in MEASURES.values())
    return f'<details class="narrow"><summary>What they measure</summary><dl>{told}</dl></details>'
