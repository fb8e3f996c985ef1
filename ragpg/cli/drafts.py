"""`ragpg eval draft` and `ragpg eval review`: questions a model writes, a person decides on."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from ragpg.cli.console import CollectionName, Json, count_progress, open_client, out, print_json
from ragpg.errors import BadArgument, QuoteMismatch
from ragpg.evaluation import Evaluation, drafting
from ragpg.models import require_client

SetArgument = Annotated[str, typer.Argument(metavar="SET", help="The evaluation set.")]
_KEYS = "[a]ccept  [r]eject  [e]dit  [s]kip  [q]uit"


def eval_draft(
    name: SetArgument = "default",
    collection: CollectionName = "default",
    questions: Annotated[
        int, typer.Option("--questions", "-n", min=1, help="Passages to draft from, one call each.")
    ] = 20,
    max_tokens: Annotated[
        int, typer.Option(help="Cap on tokens read and written, in all.")
    ] = 200_000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print calls and tokens, and ask nothing.")
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Go on to eval review when they are drafted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let Claude draft questions from passages; no run asks one before eval review accepts it."""
    with open_client() as client:
        database = client.database
        passages = drafting.sample_passages(database, collection, name, questions)
        if not passages:
            raise BadArgument(
                f'"{collection}" holds no passage left to draft from: ragpg add, or another set'
            )
        expected = drafting.estimate(passages)
        if dry_run:
            _print_estimate(expected, client.session.settings.answer_model, as_json)
            return
        claude = require_client(client.session.anthropic_client(), "drafting")
        with count_progress("drafting") as progress:
            report = drafting.draft_questions(
                database,
                collection,
                name,
                passages,
                claude,
                model=client.session.settings.answer_model,
                max_tokens=max_tokens,
                progress=progress,
            )
        if as_json:
            print_json({**asdict(report), "estimate": asdict(expected)})
            return
        _print_report(report, max_tokens)
        if review:
            _review(client.collection(collection).evaluation, name)
        elif report.drafted:
            out.print(Text(f"to decide on them: ragpg eval review {name} -c {collection}"))


def eval_review(
    name: SetArgument = "default",
    collection: CollectionName = "default",
    accept_all: Annotated[
        bool, typer.Option("--accept-all", help="Accept every draft unseen, for machines.")
    ] = False,
) -> None:
    """Decide on drafted questions one by one; each decision is stored at once."""
    with open_client() as client:
        evaluation = client.collection(collection).evaluation
        if accept_all:
            _accept_all(evaluation, name)
            return
        _review(evaluation, name)


def _accept_all(evaluation: Evaluation, name: str) -> None:
    waiting = evaluation.drafts(name)
    accepted = 0
    for draft in waiting:
        try:
            evaluation.accept(draft["id"])
            accepted += 1
        except (BadArgument, QuoteMismatch) as error:
            out.print(Text(str(error), "yellow"))
    left = len(waiting) - accepted
    out.print(f"{accepted} accepted unseen" + (f", {left} left" if left else ""))


def _print_estimate(expected: drafting.DraftEstimate, model: str, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(expected), "model": model})
        return
    out.print(
        f"{expected.calls} calls of {model}: about {expected.input_tokens:,} tokens read and "
        f"{expected.output_tokens:,} written; nothing was asked"
    )


def _print_report(report: drafting.DraftReport, max_tokens: int) -> None:
    out.print(
        f"{report.drafted} drafted of {report.calls} passages; dropped: {report.quote_not_found} "
        f"whose quote does not stand there, {report.not_worth_asking} not worth asking, "
        f"{report.duplicate} known, {report.failed} unreadable\n"
        f"{report.input_tokens:,} tokens read, {report.output_tokens:,} written"
    )
    if report.capped:
        out.print(f"ended early: the cap is {max_tokens:,} tokens (--max-tokens)")


def _review(evaluation: Evaluation, name: str) -> None:
    waiting = evaluation.drafts(name)
    if not waiting:
        out.print("no draft waits: ragpg eval draft")
        return
    if not sys.stdin.isatty():
        raise BadArgument("eval review asks a person at a terminal; --accept-all asks nobody")
    counts = {"accepted": 0, "rejected": 0}
    try:
        for place, draft in enumerate(waiting, 1):
            decision = _decide(evaluation, draft, f"{place} of {len(waiting)}")
            if decision == "quit":
                break
            if decision in counts:
                counts[decision] += 1
    except (KeyboardInterrupt, EOFError, typer.Abort):
        out.print()  # what was decided is stored
    left = len(waiting) - sum(counts.values())
    out.print(f"{counts['accepted']} accepted, {counts['rejected']} rejected, {left} left")


def _decide(evaluation: Evaluation, draft: dict[str, Any], place: str) -> str:
    """Shows a draft until a key decides on it: accepted, rejected, skipped or quit."""
    _show(draft, place)
    while True:
        key = typer.getchar().lower()
        if key in ("\x03", "\x04"):
            raise KeyboardInterrupt
        try:
            if key == "e":
                _edit(evaluation, draft)
                _show(draft, place)
            elif key == "a":
                evaluation.accept(draft["id"])
                return "accepted"
            elif key == "r":
                evaluation.reject(draft["id"])
                return "rejected"
            elif key in ("s", "q"):
                return {"s": "skipped", "q": "quit"}[key]
        except (BadArgument, QuoteMismatch) as error:  # the set has it, the document lost it
            out.print(Text(f"{error}\n{_KEYS}", "yellow"))


def _show(draft: dict[str, Any], place: str) -> None:
    if draft["before"] is None:
        passage = Text("the document no longer holds the quote: ", "yellow") + Text(draft["quote"])
    else:
        passage = Text(f"…{draft['before']}", "dim") + Text(draft["quote"], "bold not dim")
        passage += Text(f"{draft['after']}…", "dim")
    out.print()
    out.print(Text(f"{place}  {draft['source']}", "dim"))
    out.print(Text(draft["question"], "bold"))
    out.print(Text(f"answer: {draft['expected_answer']}"))
    out.print(passage)
    out.print(Text(_KEYS, "cyan"))


def _edit(evaluation: Evaluation, draft: dict[str, Any]) -> None:
    """Asks for question and answer, Enter keeping each, and stores them."""
    question, answer = (
        typer.prompt(f"{told} (Enter keeps it)", default="", show_default=False).strip()
        or draft[key]
        for key, told in (("question", "question"), ("expected_answer", "answer"))
    )
    evaluation.edit(draft["id"], question, answer)
    draft |= {"question": question, "expected_answer": answer}
