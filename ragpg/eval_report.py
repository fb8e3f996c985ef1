"""One self-contained HTML page on an evaluation set: how good, since when, and why not better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from string import Template
from typing import Any

import ragpg
from ragpg import eval_plots, evaluating, queries
from ragpg.database import Database
from ragpg.errors import BadArgument
from ragpg.eval_questions import questions_section
from ragpg.evaluating import Difference
from ragpg.markup import escape, number, percent, signed, table

Row = dict[str, Any]
_MEASURES = {
    "ndcg": ("nDCG", "relevant hits, counted more the higher they stand"),
    "mrr": ("MRR", "1 divided by the place of the first relevant hit"),
    "success": ("success", "share of questions with a relevant hit at all"),
    "recall": ("recall", "share of the relevant chunks found"),
    "span_recall": ("span recall", "share of the labelled characters found"),
    "span_iou": ("span IoU", "labelled and found characters: shared, of all"),
}
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
    """Returns the page on a run (the newest) and another (the one before it) of a set.

    `questions` bounds how many of the worst are shown with their hits. Raises BadArgument when
    the set has no finished run, or not the given ones.
    """
    runs = evaluating.rows(
        database, queries.REPORT_RUNS, collection=collection, evaluation_set=name
    )
    if not runs:
        raise BadArgument(f'"{name}" of "{collection}" has no finished run: ragpg eval run')
    run = runs[-1] if run_id is None else _run(runs, run_id, name)
    earlier = [one for one in runs if one["run_id"] < run["run_id"]]
    before = _run(runs, against, name) if against is not None else earlier[-1] if earlier else None
    changes = _changes(database, before, run)
    parts = [
        _head(collection, name, run, runs),
        _summary(run, before, changes),
        _over_runs(runs, run),
        _tags(database, run, before),
        _failures(database, run),
        questions_section(database, run["run_id"], questions),
        _answers(run),
        _latency(database, runs, run),
        _settings(runs, run),
        f"<footer>Made by ragpg {escape(ragpg.__version__)} on "
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


def _summary(run: Row, before: Row | None, changes: Sequence[Difference]) -> str:
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
            for key in _MEASURES
            if run[key] is not None
        ]
        return lead + table(["measure", "#value"], rows) + _meanings()
    by_name = {one.measure: one for one in changes}
    span = max(0.01, *(max(abs(one.low), abs(one.high)) for one in changes))
    rows = []
    for one in (by_name[key] for key in _MEASURES if key in by_name):
        told = "" if one.is_noise else "up" if one.difference > 0 else "down"
        rows.append(
            [
                _measure(one.measure),
                number(one.first_mean),
                f"<b>{number(one.second_mean)}</b>",
                f'<span class="{told}">{signed(one.difference)}</span>',
                eval_plots.interval(one.low, one.difference, one.high, span),
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
    return (
        f"{lead}{table(heads, rows)}{_meanings()}"
        f'<p class="soft small">Means over the {changes[0].questions} '
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
    against = f"run {before['run_id']}" + (f" ({escape(before['note'])})" if before["note"] else "")
    told = f"nDCG {signed(one.difference)} ({signed(one.low)} to {signed(one.high)})"
    if one.is_noise:
        return f"Against {against} there is no change beyond noise: {told}."
    way = "Better" if one.difference > 0 else "Worse"
    return (
        f'<span class="{"up" if way == "Better" else "down"}">{way}</span> than {against}: {told}.'
    )


def _measure(key: str) -> str:
    name, told = _MEASURES[key]
    return f"{name}<small>{told}</small>"


def _meanings() -> str:
    """Returns what the measures are, where a screen is too narrow to say it in the table."""
    told = "".join(f"<dt>{name}</dt><dd>{told}</dd>" for name, told in _MEASURES.values())
    return f'<details class="narrow"><summary>What they measure</summary><dl>{told}</dl></details>'


def _over_runs(runs: Sequence[Row], run: Row) -> str:
    shown = runs[-_MOST_RUNS:]
    alike = {
        one["run_id"]: (one["k"], one["questions"]) == (run["k"], run["questions"]) for one in shown
    }
    plots = ""
    if len(shown) > 1:
        axis = eval_plots.quality_range(
            [one[key] for one in shown for key in _COURSES if one[key] is not None]
        )
        for key in _COURSES:
            name = _MEASURES[key][0]
            points = [(one["run_id"], one[key], alike[one["run_id"]]) for one in shown]
            plots += (
                f"<figure>{eval_plots.course(name, points, axis)}"
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
    heads += [f"#{_MEASURES[key][0]}" for key in _COURSES] + [
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
    found = evaluating.rows(
        database,
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
            eval_plots.shares(one["each"], one["ndcg"], one["ndcg_before"]),
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
    found = evaluating.rows(database, queries.REPORT_FAILURE_KINDS, run_id=run["run_id"])
    head = '<h2 id="missed">Why it missed</h2>'
    if not found:
        return f"{head}<p>Every labelled text was found whole.</p>"
    missed = sum(one["questions"] for one in found)
    rows = [
        [
            escape(one["kind"]),
            str(one["questions"]),
            eval_plots.bar(one["questions"] / missed),
            escape(one["what_to_try"]),
        ]
        for one in found
    ]
    return f"{head}<p>{missed} of {run['questions']} questions went wrong.</p>" + table(
        ["reason", "#questions", f"~share of the {missed}", "=what to try"], rows
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
    each = evaluating.rows(database, queries.REPORT_LATENCIES, run_id=run["run_id"])
    shown = runs[-_MOST_RUNS:]
    longest = max((one["latency_p95_ms"] for one in shown), default=0) or 1
    rows = [
        [
            str(one["run_id"]),
            f"{one['latency_p50_ms']:.1f}",
            f"{one['latency_p95_ms']:.1f}",
            eval_plots.spread(one["latency_p50_ms"], one["latency_p95_ms"], longest),
            f"{escape(one['note'] or one['mode'])}",
        ]
        for one in reversed(shown)
    ]
    heads = ["#run", "#p50 ms", "#p95 ms", f"~0 | {longest:.1f} ms", "=note"]
    slowest = each[0]
    return (
        '<h2 id="latency">Latency</h2><p class="soft small">Milliseconds of a search inside the '
        "database, without the network; dot: median, stroke: 95th percentile. Slowest in run "
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
