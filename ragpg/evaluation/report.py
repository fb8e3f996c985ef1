"""One self-contained HTML page on an evaluation set: how good, since when, and why not better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from string import Template
from typing import Any

from ragpg.database import Database
from ragpg.errors import BadArgument
from ragpg.evaluation import drawings, evaluating, queries
from ragpg.evaluation.evaluating import Difference
from ragpg.evaluation.markup import escape, number, percent, table
from ragpg.evaluation.report_questions import questions_section
from ragpg.evaluation.report_summary import MEASURES, summary_section
from ragpg.version import __version__

Row = dict[str, Any]
_COURSES = ("ndcg", "mrr", "recall", "span_recall")
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
_MOST_RUNS = 40


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

    `questions` bounds how many of the worst are shown with their hits. Raises BadArgument when
    the set has no finished run, or not the given ones.
    """
    runs = database.rows(queries.REPORT_RUNS, collection=collection, evaluation_set=name)
    if not runs:
        raise BadArgument(f'"{name}" of "{collection}" has no finished run: ragpg eval run')
    run = runs[-1] if run_id is None else _run(runs, run_id, name)
    before = _before(runs, run) if against is None else _run(runs, against, name)
    changes = _changes(database, before, run)
    parts = [
        _head(collection, name, run, runs),
        summary_section(run, before, changes),
        _over_runs(runs, run),
        _tags(database, run, before),
        _failures(database, run),
        questions_section(database, run["run_id"], questions),
        _answers(run),
        _latency(database, runs, run),
        _settings(runs, run),
        f"<footer>Made by ragpg {escape(__version__)} on "
        f"{_when(datetime.now(UTC))} with <code>ragpg eval report</code>. The same figures are "
        "in the views <code>ragpg.evaluation_leaderboard</code>, <code>evaluation_measures</code> "
        "and <code>evaluation_failures</code>. This page holds texts of the documents.</footer>",
    ]
    template = resources.files("ragpg").joinpath("eval_report.html").read_text("utf-8")
    html = Template(template).substitute(
        title=escape(f"Evaluation of {collection}: {name}"), body="\n".join(parts)
    )
    return Report(html, run["run_id"], before["run_id"] if before else None)


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
    if before is None:
        return []
    try:
        return evaluating.compare_runs(database, before["run_id"], run["run_id"])
    except BadArgument:  # no labelled question in common
        return []


# Sections ------------------------------------------------------------------------------------


def _head(collection: str, name: str, run: Row, runs: Sequence[Row]) -> str:
    set_name = "" if name == "default" else f", set {escape(name)}"
    about = [
        f"run {run['run_id']}" + (f" ({escape(run['note'])})" if run["note"] else ""),
        _when(run["started_at"]),
        f"{escape(run['mode'])}, first {run['k']} hits",
        f"{run['questions']} questions, {run['labelled_questions']} with a labelled text",
    ]
    links = {
        "runs": "Over runs",
        "tags": "By tag",
        "missed": "Why it missed",
        "worst": "Worst questions",
        "latency": "Latency",
        "settings": "Settings",
    }
    nav = " ".join(f'<a href="#{key}">{told}</a>' for key, told in links.items())
    return (
        f"<header><h1>How good is retrieval in {escape(collection)}{set_name}?</h1>"
        f'<p class="soft">{" · ".join(about)}</p></header><nav>{nav}</nav>'
    )


def _over_runs(runs: Sequence[Row], run: Row) -> str:
    shown = runs[-_MOST_RUNS:]
    alike = {
        one["run_id"]: (one["k"], one["questions"]) == (run["k"], run["questions"]) for one in shown
    }
    plots = ""
    if len(shown) > 1:
        axis = drawings.quality_range(
            [one[key] for one in shown for key in _COURSES if one[key] is not None]
        )
        for key in _COURSES:
            name = MEASURES[key][0]
            points = [(one["run_id"], one[key], alike[one["run_id"]]) for one in shown]
            plots += (
                f"<figure>{drawings.course(name, points, axis)}"
                f"<figcaption><b>{name}</b> by run</figcaption></figure>"
            )
        plots = f'<div class="panels">{plots}</div>'
        if not all(alike.values()):
            plots += (
                '<p class="soft small">Hollow: asked with another number of hits or questions than '
                f"run {run['run_id']}, so not to be compared with it.</p>"
            )
    rows = [
        [
            str(one["run_id"]),
            f"{escape(one['note'])}",
            f"{escape(one['mode'])}, {one['k']}",
            str(one["questions"]),
            *(number(one[key]) for key in _COURSES),
            number(one["span_iou"]),
            percent(one["zero_hit_rate"]),
            _when(one["started_at"]),
        ]
        for one in reversed(shown)
    ]
    heads = ["#run", "=note", "#mode, k", "#questions"]
    heads += [f"#{MEASURES[key][0]}" for key in _COURSES] + [
        "#span IoU",
        "#no hit",
        "#asked at (UTC)",
    ]
    left_out = len(runs) - len(shown)
    more = f'<p class="soft small">{left_out} older runs are not shown.</p>' if left_out else ""
    return (
        f'<h2 id="runs">Quality over runs</h2>{plots}'
        f"{table(heads, rows, now=_place(shown, run))}{more}"
    )


def _tags(database: Database, run: Row, before: Row | None) -> str:
    found = database.rows(
        queries.REPORT_TAGS,
        run_id=run["run_id"],
        before=before and before["run_id"],
    )
    if not found:
        told = "No question has a tag. Tags in the questions' file show where retrieval is weak."
        return f'<h2 id="tags">By tag</h2><p class="soft">{told}</p>'
    rows = [
        [
            escape(one["tag"]),
            str(one["questions"]),
            f"<b>{number(one['ndcg'])}</b>",
            drawings.shares(one["each"], one["ndcg"], one["ndcg_before"]),
            number(one["mrr"]),
            number(one["recall"]),
            number(one["span_recall"]),
        ]
        for one in found
    ]
    heads = ["tag", "#questions", "#nDCG", "~nDCG: 0 | 1", "#MRR", "#recall", "#span recall"]
    ring = f" Ring: run {before['run_id']}." if before else ""
    return (
        '<h2 id="tags">By tag</h2><p class="soft small">Weakest first. Dot: the mean. Strokes: the '
        f"questions, darker where several stand.{ring} A tag of few questions tells little.</p>"
        + table(heads, rows)
    )


def _failures(database: Database, run: Row) -> str:
    found = database.rows(queries.REPORT_FAILURE_KINDS, run_id=run["run_id"])
    head = '<h2 id="missed">Why it missed</h2>'
    if not found:
        return f"{head}<p>Every labelled text was found whole.</p>"
    missed = sum(one["questions"] for one in found)
    rows = [
        [
            escape(one["kind"]),
            str(one["questions"]),
            escape(one["what_to_try"]),
            drawings.bar(one["questions"] / missed),
        ]
        for one in found
    ]
    return f"{head}<p>{missed} of {run['questions']} questions went wrong.</p>" + table(
        ["reason", "#questions", "=what to try", f"~share of the {missed}"], rows
    )


def _answers(run: Row) -> str:
    if not run["answers"]:
        return ""
    rows = [
        [told, f"<b>{percent(run[key])}</b>"]
        for key, told in _ANSWERS.items()
        if run[key] is not None
    ]
    return (
        f'<h2 id="answers">Answers</h2><p>{run["answers"]} questions were answered, too.</p>'
        + table(["", "#share"], rows)
    )


def _latency(database: Database, runs: Sequence[Row], run: Row) -> str:
    each = database.rows(queries.REPORT_LATENCIES, run_id=run["run_id"])
    shown = runs[-_MOST_RUNS:]
    longest = max((one["latency_p95_ms"] for one in shown), default=0) or 1
    rows = [
        [
            str(one["run_id"]),
            f"{one['latency_p50_ms']:.1f}",
            f"{one['latency_p95_ms']:.1f}",
            drawings.spread(one["latency_p50_ms"], one["latency_p95_ms"], longest),
            f"{escape(one['note'] or one['mode'])}",
        ]
        for one in reversed(shown)
    ]
    heads = ["#run", "#p50 ms", "#p95 ms", f"~0 | {longest:.1f} ms", "=note"]
    slowest = each[0]
    return (
        '<h2 id="latency">Latency</h2><p class="soft small">Milliseconds of a search inside the '
        "database, without the network; embedding the question is part of it where the database "
        "does so, and is cached for questions asked before, so a later run may be quicker for that "
        "alone. Dot: median, stroke: 95th percentile. Slowest in run "
        f"{run['run_id']}: {slowest['latency_ms']:.1f} ms, “{escape(slowest['question'])}”.</p>"
        + table(heads, rows, now=_place(shown, run))
    )


def _settings(runs: Sequence[Row], run: Row) -> str:
    shown = runs[-_MOST_RUNS:]
    rows: list[list[str]] = []
    last: dict[str, str] | None = None
    for one in shown:
        now = {
            "mode": one["mode"],
            "k": str(one["k"]),
            "index": str(one["index_id"]),
            **{told: _shown(one["recipe"].get(key)) for key, told in _SETTINGS.items()},
        }
        cells = [
            f"<b>{escape(value)}</b>" if last is not None and last[key] != value else escape(value)
            for key, value in now.items()
        ]
        rows.insert(0, [str(one["run_id"]), *cells])
        last = now
    heads = ["#run", "mode", "#k", "#index"]
    text = ("chunker", "embedding_model", "language")
    heads += [told if key in text else f"#{told}" for key, told in _SETTINGS.items()]
    return (
        '<h2 id="settings">Settings of each run</h2><p class="soft small">As they were when it was '
        "asked. Bold: other than in the run before.</p>"
        + table(heads, rows, now=_place(shown, run))
    )


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _place(shown: Sequence[Row], run: Row) -> int | None:
    """Returns the row of the run, newest first."""
    ids: Iterable[int] = (one["run_id"] for one in reversed(shown))
    return next((place for place, run_id in enumerate(ids) if run_id == run["run_id"]), None)


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
