"""`ragpg search` and `ask`: hits with their words marked, answers with their citations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.containers import Lines
from rich.live import Live
from rich.text import Text

from ragpg.cli.console import CollectionName, Filter, Json, err, open_client, out, print_json

if TYPE_CHECKING:
    from ragpg.answer import Answer, Citation
    from ragpg.conversation import Step
    from ragpg.search import Mode

_MARKS = ("\x01", "\x02")
# What is bold already is not starred again: ****Pro**** is no emphasis.
_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)[^\n]+?(?<=\S)\1")


def search(
    query: Annotated[str, typer.Argument(help="The question, in plain words.")],
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 5,
    filter: Filter = None,
    mode: Annotated[str, typer.Option(help="hybrid, vector or keyword.")] = "hybrid",
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Of chunks that say nearly the same, only the best.")
    ] = False,
    also: Annotated[
        list[str] | None, typer.Option(help="Another phrasing of the question; repeatable.")
    ] = None,
    rerank: Annotated[
        str | None, typer.Option(help="Cross-encoder (name or folder) that orders the hits anew.")
    ] = None,
    neighbours: Annotated[
        int, typer.Option(min=0, help="Chunks to show before and after each hit.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Search a collection; the matched words are marked."""
    from ragpg.search.filters import read_filter

    with open_client() as client:
        hits = client.collection(collection).search(
            [query, *also] if also else query,
            k,
            filter=read_filter(filter),
            mode=cast("Mode", mode),
            distinct=distinct,
            rerank=rerank,
            neighbours=neighbours,
        )
        if as_json:
            print_json([asdict(hit) for hit in hits])
        else:
            print_hits(client, hits, query)


def print_hits(client: Any, hits: list[Any], query: str) -> None:
    from ragpg.search.explaining import highlight

    if not hits:
        out.print("nothing matches")
    for hit, marked in zip(hits, highlight(client.database, hits, query, _MARKS), strict=True):
        legs = ", ".join(
            f"{name} {value:.2f}"
            for name, value in (("similarity", hit.similarity), ("bm25", hit.bm25))
            if value is not None
        )
        head = Text(f"{hit.place}. ", style="bold")
        head += Text(hit.context or hit.title or hit.source, style="bold cyan")
        head += Text(f"  {hit.score:.3f} ({legs})", style="dim")
        out.print(head)
        out.print(_marked(marked))
        out.print(
            Text(f"{hit.source}, characters {hit.start_char} to {hit.end_char}\n", style="dim")
        )


def _marked(text: str) -> Text:
    """Returns text whose words between the marks are bold, or starred where nothing can be."""
    if not out.is_terminal:
        text = _EMPHASIS.sub(lambda found: re.sub("[\x01\x02]", "", found[0]), text)
        return Text(text.replace(_MARKS[0], "**").replace(_MARKS[1], "**"))
    styled = Text()
    for place, part in enumerate(text.replace(_MARKS[1], _MARKS[0]).split(_MARKS[0])):
        styled.append(part, style="bold yellow" if place % 2 else "")
    return styled


Steps = Annotated[
    int, typer.Option(min=1, help="Most look-ups; the model decides whether to look again.")
]
MaxTokens = Annotated[
    int | None, typer.Option(help="Most tokens an answer may take, all its steps together.")
]
MaxSeconds = Annotated[float | None, typer.Option(help="Most seconds it may take.")]
MaxCost = Annotated[float | None, typer.Option(help="Most it may cost, by ragpg.model_prices.")]


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="How many hits the answer may use.")] = 8,
    filter: Filter = None,
    answer_model: Annotated[
        str | None, typer.Option("--model", help="Claude model, instead of RAGPG_ANSWER_MODEL.")
    ] = None,
    steps: Steps = 1,
    goes_on: Annotated[
        bool, typer.Option("--continue", help="As what follows the last question: a conversation.")
    ] = False,
    conversation_id: Annotated[
        int | None, typer.Option("--conversation", help="As the next turn of this conversation.")
    ] = None,
    max_tokens: MaxTokens = None,
    max_seconds: MaxSeconds = None,
    max_cost: MaxCost = None,
    as_json: Json = False,
) -> None:
    """Answer a question from a collection, with citations to exact characters.

    Needs ANTHROPIC_API_KEY; without it the best passages are quoted.
    """
    from ragpg.search.filters import read_filter

    with open_client() as client:
        held = client.collection(collection)
        options: dict[str, Any] = {"filter": read_filter(filter), "model": answer_model}
        options |= {"max_tokens": max_tokens, "max_seconds": max_seconds, "max_cost": max_cost}
        if goes_on:
            from ragpg.conversation import Conversation

            if conversation_id is not None:
                raise typer.BadParameter("--continue and --conversation name two conversations")
            conversation_id = Conversation.last(held.session, collection).id
        options |= {"steps": steps, "conversation_id": conversation_id}
        if as_json:
            print_json(asdict(held.ask(question, k, **options)))
        else:
            ask_and_print(held, question, k, **options)


def ask_and_print(held: Any, question: str, k: int = 8, **options: Any) -> Answer:
    """Asks, shows what is written while it is, and in its place the answer, its claims marked."""
    with Live(console=out, transient=True, auto_refresh=out.is_terminal) as live:
        written = Text()

        def hear(text: str) -> None:
            written.append(text)
            # Its end, as far as it fits: what scrolled out of sight could not be taken back.
            live.update(Lines(written.wrap(out, out.width)[1 - out.height :]))

        def tell(step: Step) -> None:
            written.truncate(0)  # what was said before a look-up is no part of the answer
            live.update("")
            err.print(told_step(step))

        if options.get("steps", 1) > 1 or options.get("conversation_id") is not None:
            options["on_step"] = tell
        answer = held.ask(question, k, on_text=hear, **options)
    print_answer(answer)
    return cast("Answer", answer)


def told_step(step: Step) -> Text:
    """Returns what is being looked up, on one line."""
    what = {
        "standalone": "searching for, too",
        "search": "searched",
        "read": "read",
        "again": "the answer was cut, it is asked for again",
    }.get(step.tool, f"refused {step.tool}")
    told = f"{what}: {step.query}" if step.query else what
    if step.filter:
        told += f" where {step.filter}"
    if step.end_char is not None:
        told += f", characters {step.start_char} to {step.end_char}"
    if step.failed:
        told += f" ({step.failed})"
    elif step.tool in ("search", "read"):
        told += f" ({len(step.hits)} passages)" if len(step.hits) != 1 else " (1 passage)"
    return Text(told, style="dim")


def print_answer(answer: Any) -> None:
    if not answer.generated:  # it names its own sources
        out.print(answer.text + "\n", markup=False)
    else:
        numbers = _numbers(answer.citations)
        out.print(_with_marks(answer, numbers))
        out.print()
        print_sources(answer)
        if answer.stop_reason == "max_tokens":
            out.print("the answer was cut: the model's limit of tokens was reached")
        if not answer.grounded and not answer.abstained:
            out.print("note: not every claim above is cited")
    if answer.ended_by not in (None, "answer"):
        from ragpg.conversation import ENDINGS

        err.print(f"ended by {answer.ended_by}: {ENDINGS[answer.ended_by]}")
    if answer.id is None:
        err.print(
            "the answer was not stored: nothing can be written here, as on a standby, or what it "
            "cites was erased meanwhile"
        )


def print_sources(answer: Any) -> None:
    """Prints what an answer cites, by its numbers."""
    for (source, start, end, quote), number in _numbers(answer.citations).items():
        out.print(Text(f"[{number}] {source}, characters {start} to {end}", style="cyan"))
        out.print(Text(f"    {' '.join(quote.split())}", style="dim"))


_Place = tuple[str, int, int, str]


def _numbers(citations: Iterable[Citation]) -> dict[_Place, int]:
    """Returns the number of each place that is cited, in the order in which they come."""
    found: dict[_Place, int] = {}
    for one in citations:
        found.setdefault(_place(one), len(found) + 1)
    return found


def _place(one: Citation) -> _Place:
    return one.source, one.start_char, one.end_char, one.quote


def _with_marks(answer: Answer, numbers: dict[_Place, int]) -> Text:
    """Returns the answer with the numbers of its citations after each claim that has some."""
    marks: dict[int, dict[int, None]] = {}
    for one in answer.citations:
        end = len(answer.text[: one.answer_end].rstrip())
        marks.setdefault(end, {})[numbers[_place(one)]] = None
    shown, before = Text(), 0
    for end in sorted(marks):
        shown.append(answer.text[before:end])
        shown.append(" " + "".join(f"[{number}]" for number in marks[end]), style="cyan")
        before = end
    return shown.append(answer.text[before:])
