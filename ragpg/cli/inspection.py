"""`ragpg inspect`: what is wrong with texts, in files or stored, before search is blamed."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ragpg.cli.console import Json, count_progress, err, open_client, out, print_json
from ragpg.cli.sync import print_skipped
from ragpg.errors import BadArgument
from ragpg.settings import from_environment

if TYPE_CHECKING:
    from ragpg.client import Client

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\xad\u200b\u2060\ufeff]")


def inspect(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, folders or globs; read, not stored.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="What is stored in it, instead.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="Text-search configuration the files are meant for.")
    ] = "english",
    examples: Annotated[int, typer.Option("-n", help="Examples of each kind.", min=0)] = 3,
    as_json: Json = False,
) -> None:
    """Show what looks wrong with texts: in files before they are added, or in a collection.

    Empty, tiny and garbled texts, copies, lines repeated through all documents, other languages,
    and in a collection also chunks cut within a sentence and documents not indexed. Files are
    looked at in the embedded Postgres, whatever database is configured, and nothing of them stays.
    Problems are no failure: the exit code is 0; --json lists all of them.
    """
    if bool(paths) == bool(collection):
        raise BadArgument("inspect either files or a collection: ragpg inspect PATH, or -c NAME")
    if collection is not None:
        with open_client() as client:
            found = client.collection(collection).inspection.run()
    else:
        with _scratch() as client, count_progress("reading") as progress:
            inspection = client.collection().inspection
            found = inspection.files(paths or (), language=language, progress=progress)
    if as_json:
        print_json(asdict(found))
    else:
        _print(found, examples)


def _scratch() -> Client:
    """Returns a client of the embedded Postgres: no load on anybody's database."""
    from ragpg.client import connect
    from ragpg.database.starting import server_url

    return connect(server_url(replace(from_environment(), database_url=None)))


def _print(found: Any, examples: int) -> None:
    for failure in found.failures:
        err.print(Text("cannot be read: ", style="red") + Text(failure))
    print_skipped(found.skipped)
    for line in _overview(found.overview):
        out.print(Text(line))
    kinds: dict[str, list[Any]] = {}
    for problem in found.problems:
        kinds.setdefault(problem.problem, []).append(problem)
    for kind, problems in sorted(kinds.items(), key=lambda item: -len(item[1])):
        out.print(
            Text(f"\n{kind}: {len(problems):,}", style="bold") + Text(f"  {problems[0].what_to_do}")
        )
        for one in problems[:examples]:
            shown = f"{one.source}: {one.detail}" if one.source else one.detail
            out.print(Text(f"  {_visible(shown)}"))
    if not kinds and not found.failures and found.overview["documents"]:
        out.print("nothing looks wrong")


def _visible(text: str) -> str:
    """Returns the text with the characters a terminal obeys or hides shown by their code."""
    return _HIDDEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def _overview(held: dict[str, Any]) -> list[str]:
    languages = ", ".join(f"{name} {count:,}" for name, count in (held["languages"] or {}).items())
    lines = [
        f"{held['documents']:,} documents, {held['characters']:,} characters "
        f"(median {held['median_characters'] or 0:,.0f}); tables {held['table_share'] or 0:.0%}, "
        f"code {held['code_share'] or 0:.0%}",
        f"languages: {languages}",
    ]
    if held.get("chunks"):
        lines.append(
            f"{held['chunks']:,} chunks of {held['tokens_p05']}, {held['tokens_p50']}, "
            f"{held['tokens_p95']} tokens (5, 50, 95 %; window {held['window_tokens']}); "
            f"{held['duplicate_chunks']:,} copies, "
            f"{held['near_duplicate_share']:.0%} near-duplicates"
        )
    return lines
