"""`ragpg eval ...`: measure retrieval on labelled questions, compare, see why it missed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ragpg.cli import drafts
from ragpg.cli.console import (
    CollectionName,
    Json,
    count_progress,
    open_client,
    out,
    print_json,
    table_of,
)
from ragpg.cli.help import Commands
from ragpg.errors import BadArgument

if TYPE_CHECKING:
    from ragpg.search import Mode

evaluation = typer.Typer(
    cls=Commands, help="Evaluation: how good is retrieval, and why.", no_args_is_help=True
)
evaluation.command("draft")(drafts.eval_draft)
evaluation.command("review")(drafts.eval_review)
SetName = Annotated[str, typer.Option("--set", "-s", help="Name of the evaluation set.")]
RunId = Annotated[int, typer.Argument(help="Id of the run, as eval list shows it.")]
_SHOWN = ("recall", "mrr", "ndcg", "span_recall")  # --json has all of them
_HEADINGS = ("recall", "MRR", "nDCG", "span")


@evaluation.command("load")
def eval_load(
    file: Annotated[Path, typer.Argument(help="JSONL: question, labels (source, quote), tags.")],
    collection: CollectionName = "default",
    name: SetName = "default",
    as_json: Json = False,
) -> None:
    """Make an evaluation set hold the questions of a file; exits with 1 for labels not found."""
    with open_client() as client:
        held = client.collection(collection)
        count = held.evaluation.load(file, name)
        lost = held.evaluation.lost_labels(name)
    if as_json:
        print_json({"questions": count, "lost_labels": lost})
    else:
        _print_lost(lost)
        out.print(f"{count} questions in {name}, {len(lost)} labels not found")
    if lost:
        raise typer.Exit(1)


def _print_lost(labels: list[dict[str, Any]]) -> None:
    for label in labels:
        quote = f': "{label["quote"][:60]}"' if label["quote"] else ""
        out.print(
            Text(f"{label['state']}: ", style="yellow")
            + Text(f"{label['source']}{quote} ({label['question']})")
        )


@evaluation.command("from-feedback")
def eval_from_feedback(
    collection: CollectionName = "default",
    name: Annotated[
        str, typer.Option("--set", "-s", help="Name of the evaluation set.")
    ] = "feedback",
    as_json: Json = False,
) -> None:
    """Make questions of what people said of answers (ragpg feedback)."""
    with open_client() as client:
        count = client.collection(collection).evaluation.from_feedback(name)
    if as_json:
        print_json({"questions": count})
    else:
        none = "" if count else ": none was called good or corrected yet (ragpg feedback)"
        out.print(f"{count} questions put into {name}{none}")


@evaluation.command("run")
def eval_run(
    collection: CollectionName = "default",
    name: SetName = "default",
    k: Annotated[int, typer.Option("-k", help="Hits asked for.")] = 10,
    mode: Annotated[str, typer.Option(help="hybrid, vector or keyword.")] = "hybrid",
    index_id: Annotated[
        int | None, typer.Option("--index", help="Another search index than the active one.")
    ] = None,
    note: Annotated[str, typer.Option(help="What is tried, for the list.")] = "",
    answers: Annotated[
        bool, typer.Option("--answers", help="Answer each question, too; Claude grades with a key.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="With --answers: most look-ups for each.")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Write the page of eval report there, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask every question of a set and print the measures; the run is kept for comparison."""
    if steps > 1 and not answers:
        raise BadArgument("--steps is of answers: say --answers, too")
    with open_client() as client, count_progress("asking") as progress:
        held = client.collection(collection)
        run_id = held.evaluation.run(
            name,
            k=k,
            mode=cast("Mode", mode),
            index_id=index_id,
            note=note,
            answers=answers,
            steps=steps,
            progress=progress,
        )
        (row,) = [row for row in held.evaluation.runs() if row["run_id"] == run_id]
        failures = client.collection().evaluation.failures(run_id)
        page = held.evaluation.report(name, run_id=run_id) if report else None
    if page and report:
        _write_page(report, page.html)
    if as_json:
        print_json({**row, "failures": failures})
        return
    out.print(_table([row]))
    if answers:
        _print_answers(row)
    _print_counts(failures, row["labelled_questions"])
    if report:
        out.print(Text(f"report: {report}"))


@evaluation.command("report")
def eval_report(
    name: Annotated[str, typer.Argument(metavar="SET", help="The evaluation set.")] = "default",
    collection: CollectionName = "default",
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path(
        "report.html"
    ),
    run_id: Annotated[
        int | None, typer.Option("--run", help="Another run than the newest.")
    ] = None,
    against: Annotated[
        int | None, typer.Option(help="Compare with this run; else the last of as many hits.")
    ] = None,
    questions: Annotated[
        int, typer.Option(min=0, help="How many of the worst questions to show.")
    ] = 15,
) -> None:
    """Write one HTML page, without network or script: measures, runs, tags, what it missed and why.

    It holds questions and texts of the documents: share it as you would share them.
    """
    with open_client() as client:
        page = client.collection(collection).evaluation.report(
            name, run_id=run_id, against=against, questions=questions
        )
    _write_page(output, page.html)
    compared = f" against run {page.before_id}" if page.before_id else ""
    out.print(Text(f"{output}: run {page.run_id}{compared}, {len(page.html.encode()) // 1000} kB"))


def _write_page(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise BadArgument(f"{path} cannot be written: {error.strerror}") from error


def _print_answers(row: dict[str, Any]) -> None:
    shares = {
        "abstained where there is no answer, and only there": row["abstention_accuracy"],
        "every claim cited": row["grounded_share"],
        "citations whose quote stands there": row["citation_validity"],
        "citations that touch a labelled text": row["citation_precision"],
        "graded right": row["correct_share"],
    }
    out.print(f"{row['answers']} answers")
    for told, share in shares.items():
        out.print(f"  {'not measured' if share is None else f'{share:.0%}':>12}  {told}")


@evaluation.command("calibrate")
def eval_calibrate(
    run_id: RunId,
    keep: Annotated[
        float, typer.Option(help="Share of the answerable questions to keep, 0 to 1.")
    ] = 0.95,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Choose when ask abstains, from a run over answerable and unanswerable questions."""
    with open_client() as client:
        found = client.collection().evaluation.calibrate(run_id, keep=keep, store=not dry_run)
    if as_json:
        print_json(asdict(found))
        return
    rule = f"the best hit's similarity is below {found.min_similarity:.3f}"
    if found.min_relevance is not None:
        rule += f" or the hits' relevance below {found.min_relevance:.3f}"
    out.print(f"ask abstains when {rule}")
    out.print(
        f"{found.kept:.1%} of {found.answerable} answerable questions kept "
        f"({found.kept_low:.1%} to {found.kept_high:.1%})\n"
        f"{found.refused:.1%} of {found.unanswerable} unanswerable ones refused "
        f"({found.refused_low:.1%} to {found.refused_high:.1%}), "
        "on questions it was not chosen on\n"
        f"(by similarity alone: {found.kept_by_similarity:.1%} and "
        f"{found.refused_by_similarity:.1%})"
    )
    if dry_run:
        out.print("nothing was stored")


@evaluation.command("list")
def eval_list(collection: CollectionName = "default", as_json: Json = False) -> None:
    """List the runs with their measures, newest first."""
    with open_client() as client:
        found = client.collection(collection).evaluation.runs()
    if as_json:
        print_json(found)
    else:
        out.print(_table(found) if found else "no run yet: ragpg eval load FILE, ragpg eval run")


def _table(found: list[dict[str, Any]]) -> Table:
    table = table_of("run", "set: note", "index", "mode, k", "asked", *_HEADINGS, "ms")
    for row in found:
        table.add_row(
            str(row["run_id"]),
            escape(": ".join(filter(None, (row["evaluation_set"], row["note"])))),
            str(row["index_id"]),
            f"{row['mode']} {row['k']}",
            str(row["questions"]),
            *("" if row[name] is None else f"{row[name]:.3f}" for name in _SHOWN),
            f"{row['latency_p50_ms']:.1f}",
        )
    return table


@evaluation.command("compare")
def eval_compare(first: RunId, second: RunId, as_json: Json = False) -> None:
    """Compare two runs question by question, with 95 % intervals by paired bootstrap."""
    with open_client() as client:
        found = client.collection().evaluation.compare(first, second)
        moved = client.collection().evaluation.moved_questions(first, second)
    if as_json:
        print_json({"measures": [asdict(one) for one in found], "questions": moved})
        return
    print_differences(found, str(first), str(second))
    for row in moved[:10]:
        mark = Text("better ", "green") if row["difference"] > 0 else Text("worse  ", "red")
        out.print(mark + Text(f"{row['difference']:+.3f}  {row['question']}"))


def print_differences(found: list[Any], first: str, second: str) -> None:
    """Prints a row per measure: both means, their difference, its interval, or that it is noise."""
    table = table_of("measure", first, second, "change", "95 % interval", "better", "worse", "")
    for one in found:
        table.add_row(
            one.measure,
            f"{one.first_mean:.3f}",
            f"{one.second_mean:.3f}",
            f"{one.difference:+.3f}",
            f"{one.low:+.3f} to {one.high:+.3f}",
            str(one.better),
            str(one.worse),
            "noise" if one.is_noise else "",
        )
    out.print(table)
    out.print(f"{found[0].questions} questions")


@evaluation.command("diagnose")
def eval_diagnose(run_id: RunId, as_json: Json = False) -> None:
    """Sort the questions a run missed by the reason, with what to try."""
    with open_client() as client:
        failures = client.collection().evaluation.failures(run_id)
    if as_json:
        print_json(failures)
        return
    for kind in dict.fromkeys(row["kind"] for row in failures):
        of_kind = [row for row in failures if row["kind"] == kind]
        out.print(
            Text(f"{kind}: {len(of_kind)}", style="bold")
            + Text(f"  try: {of_kind[0]['what_to_try']}")
        )
        for row in of_kind[:5]:
            place = row["first_relevant_place"]
            out.print(Text(f"  {row['question']}" + (f" (place {place})" if place else "")))
    if not failures:
        out.print("nothing that is labelled was missed, nor an answer wrong")


def _print_counts(failures: list[dict[str, Any]], questions: int) -> None:
    counts: dict[str, int] = {}
    for row in failures:
        counts[row["kind"]] = counts.get(row["kind"], 0) + 1
    if counts:
        told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        out.print(f"went wrong: {told}; see ragpg eval diagnose")
    else:
        out.print(f"nothing that is labelled in {questions} questions was missed")
