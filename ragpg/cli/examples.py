"""`ragpg examples`: the handbook and its questions as files, to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ragpg.cli.console import Json, out, print_json
from ragpg.errors import RagpgError

_NEXT = """
ragpg add handbook --collection handbook
ragpg search "how long do refunds take" --collection handbook -k 3
ragpg ask "What's the rate limit on Pro?" --collection handbook
ragpg eval load handbook.jsonl --collection handbook
ragpg eval run --collection handbook --report report.html"""


def examples(
    folder: Annotated[Path, typer.Argument(help="Where to; made if it is not there.")] = Path("."),
    as_json: Json = False,
) -> None:
    """Write a small handbook and questions about it, to try the commands on.

    FOLDER/handbook holds seven pages, FOLDER/handbook.jsonl thirty questions with their answers.
    Files that are there and say something else are left alone, and nothing is written.
    """
    texts = _examples()
    others = [name for name, text in texts.items() if _differs(folder / name, text)]
    if others:
        raise RagpgError(
            f"{folder / others[0]} is there and says something else: name another folder, "
            "ragpg examples FOLDER"
        )
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    if as_json:
        print_json({"written": [str(folder / name) for name in texts]})
        return
    out.print(f"wrote {folder / 'handbook'} and {folder / 'handbook.jsonl'}; next:", markup=False)
    there = "" if folder == Path(".") else f"\ncd {folder}"
    out.print(Text(there + _NEXT, style="bold green"))


def _examples() -> dict[str, bytes]:
    """Returns the examples' files by name."""
    package = Path(__file__).parents[1]
    evals = package / "evals"  # in a wheel; in a checkout it stands beside the package
    questions = (evals if evals.exists() else package.parent / "evals") / "handbook.jsonl"
    return {
        **{f"handbook/{page.name}": page.read_bytes() for page in package.glob("handbook/*.md")},
        questions.name: questions.read_bytes(),
    }


def _differs(path: Path, text: bytes) -> bool:
    return path.exists() and (not path.is_file() or path.read_bytes() != text)
