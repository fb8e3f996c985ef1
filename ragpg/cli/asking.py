"""`ragpg search` and `ask`: hits with their words marked, answers with their citations."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.text import Text

from ragpg.cli.console import CollectionName, Filter, Json, err, open_client, out, print_json

if TYPE_CHECKING:
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


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="How many hits the answer may use.")] = 8,
    filter: Filter = None,
    answer_model: Annotated[
        str | None, typer.Option("--model", help="Claude model, instead of RAGPG_ANSWER_MODEL.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question from a collection, with citations to exact characters.

    Needs ANTHROPIC_API_KEY; without it the best passages are quoted.
    """
    from ragpg.search.filters import read_filter

    with open_client() as client:
        on_text = None if as_json else write_text
        answer = client.collection(collection).ask(
            question, k, filter=read_filter(filter), model=answer_model, on_text=on_text
        )
    if as_json:
        print_json(asdict(answer))
    else:
        print_answer_tail(answer)


def write_text(text: str) -> None:
    out.print(text, end="", markup=False)


def print_answer_tail(answer: Any) -> None:
    out.print("\n")
    if answer.id is None:
        err.print(
            "the answer was not stored: nothing can be written here, as on a standby, or what it "
            "cites was erased meanwhile"
        )
    if answer.model and not answer.generated:  # takes back what was streamed
        out.print(answer.text, markup=False)
    if answer.generated:
        seen = dict.fromkeys(
            (cited.source, cited.start_char, cited.end_char, cited.quote)
            for cited in answer.citations
        )
        for number, (source, start, end, quote) in enumerate(seen, 1):
            out.print(Text(f"[{number}] {source}, characters {start} to {end}", style="cyan"))
            out.print(Text(f"    {' '.join(quote.split())}", style="dim"))
        if answer.stop_reason == "max_tokens":
            out.print("the answer was cut: the model's limit of tokens was reached")
        if not answer.grounded and not answer.abstained:
            out.print("note: not every claim above is cited")
