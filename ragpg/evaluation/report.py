"""One self-contained HTML page on an evaluation set: how good, since when, and why not better.

What stands on it is gathered here, how it looks is `templates/report.html`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from ragpg.database import Database
from ragpg.errors import BadArgument
from ragpg.evaluation import queries
from ragpg.evaluation.courses import courses
from ragpg.evaluation.evaluating import Difference, compare_runs
from ragpg.version import __version__

Row = dict[str, Any]
MEASURES = {
    "ndcg": ("nDCG", "relevant hits, counted more the higher they stand"),
    "mrr": ("MRR", "1 divided by the place of the first relevant hit"),
    "success": ("success", "share of questions with a relevant hit at all"),
    "recall": ("recall", "share of the relevant chunks found"),
    "span_recall": ("span recall", "share of the labelled characters found"),
    "span_iou": ("span IoU", "labelled and found characters: shared, of all"),
}
_OVER_RUNS = ("ndcg", "mrr", "recall", "span_recall")
_SETTINGS = {
    "chunker": "chunker",
    "chunk_tokens": "chunk tokens",
    "overlap_tokens": "overlap",
    "embedding_model": "model",
    "language": "words in",
    "vector_weight": "vector weight",
    "candidates": "candidates",
    "ef_search": "ef_search",
    "min_similarity": "min similarity",
}
_ANSWERS = {
    "abstention_accuracy": "abstained where there is no answer, and only there",
    "grounded_share": "answers whose every claim is cited",
    "citation_validity": "citations whose quote stands where they say",
    "citation_precision": "citations that touch a labelled text",
    "correct_share": "answers graded right, of those graded",
}
_MOST_RUNS, _MOST_HITS = 40, 10
_LONGEST, _BEFORE = 420, 120
"""Characters shown of a hit, and at least how many of them before its first labelled one."""


@dataclass(frozen=True, slots=True)
class Report:
    """A page of HTML and which runs it tells of."""

    html: str
    run_id: int
    before_id: int | None


def make_report(
    database: Database,
    collection: str,
    name: str,
    *,
    run_id: int | None = None,
    against: int | None = None,
    questions: int = 15,
) -> Report:
    """Returns the page on a run (the newest) and another (the last of as many hits) of a set.

    Trials, of other settings than those in use, are looked at only when they are named.

    `questions` bounds how many of the worst are shown with their hits. Raises BadArgument when
    the set has no finished run, or not the given ones.
    """
    runs = database.rows(queries.REPORT_RUNS, collection=collection, evaluation_set=name)
    named = (run_id, against)
    runs = [one for one in runs if not one["is_trial"] or one["run_id"] in named]
    if not runs and run_id is None:
        raise BadArgument(f'"{name}" of "{collection}" has no finished run: ragpg eval run')
    run = runs[-1] if run_id is None else _run(runs, run_id, name)
    before = _before(runs, run) if against is None else _run(runs, against, name)
    before_id = before["run_id"] if before else None
    changes = _changes(database, before, run)
    shown = [_told(one, run) for one in reversed(runs[-_MOST_RUNS:])]
    html = _template().render(
        collection=collection,
        name=name,
        run=run,
        before=before,
        changes=changes,
        ndcg=next((one for one in changes if one.measure == "ndcg"), None),
        span=max([0.01, *(max(abs(one.low), abs(one.high)) for one in changes)]),
        measures=MEASURES,
        over_runs=_OVER_RUNS,
        answers=_ANSWERS,
        settings=shown[0]["settings"],
        shown=shown,
        left_out=len(runs) - len(shown),
        courses=courses({key: MEASURES[key][0] for key in _OVER_RUNS}, shown[::-1]),
        tags=database.rows(queries.REPORT_TAGS, run_id=run["run_id"], before=before_id),
        failures=database.rows(queries.REPORT_FAILURE_KINDS, run_id=run["run_id"]),
        worst=_worst(database, run["run_id"], questions),
        slowest=database.rows(queries.REPORT_LATENCIES, run_id=run["run_id"])[0],
        version=__version__,
        now=datetime.now(UTC),
    )
    return Report(html, run["run_id"], before_id)


def _template() -> Any:
    from jinja2 import Environment, PackageLoader  # a tenth of a second, for this page alone

    page = Environment(
        loader=PackageLoader("ragpg.evaluation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {
        "measure": lambda value: "\u2013" if value is None else f"{value:.3f}",
        "percent": lambda value: "\u2013" if value is None else f"{value:.0%}",
        "when": lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}",
        # A place, a little away from the edges so that a dot there is whole.
        "along": lambda share: f"{2 + 96 * min(max(share, 0.0), 1.0):.2f}%",
        "signed": signed,
        "marked": marked,
        "around": _around,
    }
    return page.get_template("report.html")


def _run(runs: Sequence[Row], run_id: int, name: str) -> Row:
    for run in runs:
        if run["run_id"] == run_id:
            return run
    raise BadArgument(f'run {run_id} is no finished run of "{name}": ragpg eval list')


def _before(runs: Sequence[Row], run: Row) -> Row | None:
    """Returns the newest earlier run that was asked for as many hits; any earlier one else."""
    earlier = [one for one in runs if one["run_id"] < run["run_id"]]
    alike = [one for one in earlier if one["k"] == run["k"]]
    return next(reversed(alike or earlier), None)


def _changes(database: Database, before: Row | None, run: Row) -> list[Difference]:
    """Returns the differences of the measures that are shown, in their order."""
    if before is None:
        return []
    try:
        found = compare_runs(database, before["run_id"], run["run_id"])
    except BadArgument:  # no labelled question in common
        return []
    by_name = {one.measure: one for one in found}
    return [by_name[key] for key in MEASURES if key in by_name]


def _told(one: Row, run: Row) -> Row:
    """Returns a run with its settings as texts, and whether it can be compared with the other."""
    recipe = {told: _shown(one["recipe"].get(key)) for key, told in _SETTINGS.items()}
    settings = {"mode": one["mode"], "k": str(one["k"]), "index": str(one["index_id"]), **recipe}
    alike = (one["k"], one["questions"]) == (run["k"], run["questions"])
    return {**one, "settings": settings, "alike": alike}


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _worst(database: Database, run_id: int, most: int) -> list[Row]:
    """Returns the worst questions, failed ones first, each with its labels and hits."""
    found = database.rows(queries.REPORT_WORST, run_id=run_id, questions=most)
    ids = [one["question_id"] for one in found]
    labels = database.rows(queries.REPORT_LABELS, question_ids=ids)
    hits = database.rows(queries.REPORT_HITS, run_id=run_id, question_ids=ids, hits=_MOST_HITS)
    return [{**one, "labels": _of(labels, one), "hits": _of(hits, one)} for one in found]


def _of(rows: Sequence[Row], question: Row) -> list[Row]:
    return [row for row in rows if row["question_id"] == question["question_id"]]


def signed(value: float) -> str:
    """Returns three decimals with their sign, a true minus."""
    text = f"{value:+.3f}".replace("-", "\u2212")
    return text if text.strip("0.+\u2212") else "0.000"


def marked(content: str, spans: Sequence[Sequence[int]]) -> Markup:
    """Returns the part of a text around its first span as HTML, each span marked."""
    first = spans[0][0] if spans else 0
    start = 0 if first + _BEFORE <= _LONGEST else first - _BEFORE
    end = min(len(content), start + _LONGEST)
    html = Markup("\u2026" if start else "")
    place = start
    for low, high in spans:
        low, high = max(low, start), min(high, end)
        if low < high:
            html += escape(content[place:low])
            html += Markup("<mark>{}</mark>").format(content[low:high])
            place = high
    html += escape(content[place:end] + ("\u2026" if end < len(content) else ""))
    return Markup(re.sub(r"\n\s*\n", "\n", html))  # what is compared is read at a glance


def _around(label: Row) -> Markup:
    """Returns a labelled text, marked, with what stands around it."""
    first = label["first_char"]
    text = marked(label["around"], [(first, first + label["characters"])])
    before, after = ("\u2026" if label[f"is_cut_{end}"] else "" for end in ("before", "after"))
    return Markup(f"{before}{text.removesuffix(chr(0x2026))}{after}")
