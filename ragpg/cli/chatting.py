"""`ragpg chat`: a conversation in the terminal, or line by line for machines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ragpg.cli.asking import MaxCost, MaxSeconds, MaxTokens, Steps, ask_and_print, print_sources
from ragpg.cli.console import CollectionName, Filter, Json, err, json_of, open_client, out
from ragpg.errors import BadArgument, RagpgError

if TYPE_CHECKING:
    from ragpg.answer import Answer

_HELP = """\
/sources         what the last answer cites, and what else it was shown
/filter [TEXT]   only documents whose metadata pass, such as $.year == 2024; without one, all
/good            the last answer was good
/bad [TEXT]      it was not; TEXT is what it should have said
/help            this
/quit            ends the chat, as Ctrl-D does; Ctrl-C ends an answer"""


def chat(
    collection: CollectionName = "default",
    k: Annotated[int, typer.Option("-k", help="Hits of each search.")] = 8,
    filter: Filter = None,
    steps: Steps = 4,
    conversation_id: Annotated[
        int | None, typer.Option("--conversation", help="Go on with this conversation.")
    ] = None,
    goes_on: Annotated[
        bool, typer.Option("--continue", help="Go on with what was asked last.")
    ] = False,
    answer_model: Annotated[
        str | None, typer.Option("--model", help="Claude model, instead of RAGPG_ANSWER_MODEL.")
    ] = None,
    max_tokens: MaxTokens = None,
    max_seconds: MaxSeconds = None,
    max_cost: MaxCost = None,
    as_json: Json = False,
) -> None:
    """Talk with a collection: questions that follow each other; /help tells what else it takes.

    Lines may be piped in; with --json each line is answered by one line of JSON.
    """
    from ragpg.search.filters import read_filter

    caps = {"max_tokens": max_tokens, "max_seconds": max_seconds, "max_cost": max_cost}
    with open_client() as client:
        talk = _Chat(client, collection, conversation_id, as_json)
        if goes_on:
            from ragpg.conversation import Conversation

            if conversation_id is not None:
                raise typer.BadParameter("--continue and --conversation name two conversations")
            talk.conversation_id = Conversation.last(client.session, collection).id
        talk.options = {"k": k, "steps": steps, "model": answer_model, **caps}
        talk.options["filter"] = read_filter(filter)
        for line in _lines():
            if line == "/quit":
                break
            talk.take(line)
    if talk.conversation_id is not None and not as_json:
        err.print(f"to go on: ragpg chat -c {collection} --conversation {talk.conversation_id}")
    if talk.has_failed and not sys.stdin.isatty():
        raise typer.Exit(1)


def _lines() -> Iterator[str]:
    """Yields what is typed, or piped; Ctrl-C at the prompt begins the line anew."""
    if not sys.stdin.isatty():
        yield from filter(None, (line.strip() for line in sys.stdin))
        return
    with suppress(ImportError):
        import_module("readline")  # arrows and history at the prompt

    err.print("/help tells what else it takes")
    while True:
        try:
            line = input("> ").strip()
        except KeyboardInterrupt:
            err.print()
            continue
        except EOFError:
            err.print()
            return
        if line:
            yield line


class _Chat:
    """A conversation under way."""

    def __init__(
        self, client: Any, collection: str, conversation_id: int | None, as_json: bool
    ) -> None:
        self.client = client
        self.held = client.collection(collection)
        self.conversation_id = conversation_id
        self.as_json = as_json
        self.options: dict[str, Any] = {}
        self.last: Answer | None = None
        self.has_failed = False

    def take(self, line: str) -> None:
        """Does what a line asks; an error is told, and the chat goes on."""
        try:
            if line.startswith("/"):
                name, _, rest = line[1:].partition(" ")
                self._command(name, rest.strip())
            else:
                self._ask(line)
        except KeyboardInterrupt:
            self._tell({"stopped": line}, "stopped; what was looked up is kept")
        except RagpgError as error:
            self.has_failed = True
            told = " ".join(str(error).split())
            self._tell({"error": told}, Text("error: ", style="bold red") + Text(told), err.print)

    def _ask(self, question: str) -> None:
        self.last = None  # nothing is said of the answer before, should there be none now
        if self.conversation_id is None:  # none is made before something is asked
            self.conversation_id = self.held.conversation().id
        options = {**self.options, "conversation_id": self.conversation_id}
        if not self.as_json:
            self.last = ask_and_print(self.held, question, **options)
            out.print()
            return
        self.last = self.held.ask(
            question, **options, on_step=lambda step: self._tell({"step": asdict(step)}, "")
        )
        self._tell({"answer": asdict(self.last)}, "")

    def _command(self, name: str, rest: str) -> None:
        commands: dict[str, Callable[[str], None]] = {
            "sources": self._sources,
            "filter": self._filter,
            "good": self._judge("good"),
            "bad": self._judge("bad"),
            "help": lambda _: self._tell({"help": _HELP}, _HELP),
        }
        if name not in commands:
            raise BadArgument(f"/{name} is no command: /help tells those there are")
        commands[name](rest)

    def _sources(self, _: str) -> None:
        answer = self._answer()
        cited = [asdict(one) for one in answer.citations]
        shown = sorted({hit.source for hit in answer.hits} - {one["source"] for one in cited})
        self._tell({"sources": cited, "shown": shown}, "")
        if not self.as_json:
            print_sources(answer)
            out.print(Text("\n".join(f"    shown: {source}" for source in shown), style="dim"))

    def _filter(self, text: str) -> None:
        from ragpg.search.filters import read_filter, to_jsonpath

        given = read_filter(text or None)
        to_jsonpath(given)
        self.options["filter"] = given
        self._tell({"filter": given}, f"only where {text}" if text else "no filter any more")

    def _judge(self, rating: str) -> Callable[[str], None]:
        def judge(corrected: str) -> None:
            answer_id = self._answer().id
            if answer_id is None:
                raise BadArgument("the last answer was not stored")
            self.client.feedback(answer_id, rating, corrected_text=corrected or None)
            self._tell({"feedback": rating, "answer_id": answer_id}, f"stored: it was {rating}")

        return judge

    def _answer(self) -> Answer:
        if self.last is None:
            raise BadArgument("nothing was answered yet")
        return self.last

    def _tell(self, told: dict[str, Any], text: Any, shown: Any = out.print) -> None:
        if self.as_json:
            sys.stdout.write(json_of(told) + "\n")
            sys.stdout.flush()
        elif text:
            shown(text, markup=False) if isinstance(text, str) else shown(text)
