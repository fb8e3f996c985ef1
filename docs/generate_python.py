"""Writes docs/python.md from signatures, docstrings and the examples in docs/python_examples.py.

python -m docs.generate_python
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ragpg
from ragpg import errors
from ragpg.answer import Answer, Citation
from ragpg.conversation import Conversation, Step, Turn
from ragpg.documents import DocumentInfo, Versions
from ragpg.encoders import Encoders
from ragpg.evaluation import Evaluation
from ragpg.finetuning import Finetuning
from ragpg.indexing import AddReport, Failure
from ragpg.indexing.indexes import Indexes
from ragpg.indexing.worker import Worker
from ragpg.inspection import Health, Inspector
from ragpg.search import Hit

PAGE = Path(__file__).with_name("python.md")
EXAMPLES = Path(__file__).with_name("python_examples.py")
CALLED: tuple[type, ...] = (
    ragpg.Client,
    ragpg.Collection,
    Conversation,
    Versions,
    Indexes,
    Evaluation,
    Finetuning,
    Inspector,
    Health,
    Encoders,
    Worker,
)
RETURNED: tuple[type, ...] = (Hit, Answer, Citation, AddReport, Failure, DocumentInfo, Step, Turn)
_HEAD = """# The Python surface

What a person calls, in the order in which one meets it, each with an example; a test runs them
all, from the first to the last, in a folder in which `ragpg examples` was called. Generated from
signatures and docstrings by `make docs`. All else is no promise.

What Python does is mostly a statement sent: [SQL](sql.md) has the same and more.
"""


def sections() -> Iterator[tuple[str, dict[str, str]]]:
    """Yields each section's title and its examples by name, in order."""
    for part in re.split(r"^# --- ", EXAMPLES.read_text(), flags=re.M)[1:]:
        title, text = part.split("\n", 1)
        names = re.split(r"^# -- ([\w.]+)\n", text, flags=re.M)[1:]
        pairs = zip(names[::2], names[1::2], strict=True)
        yield title, {name: example.strip() for name, example in pairs}


def surface() -> dict[str, Any]:
    """Returns what a person calls, by name: functions, and the methods of what they return."""
    found: dict[str, Any] = {"connect": ragpg.connect, "open_embedder": ragpg.open_embedder}
    for kind in CALLED:
        for name, member in vars(kind).items():
            if not name.startswith("_") and inspect.isfunction(member):
                found[f"{kind.__name__}.{name}"] = member
    return {**found, "Client.database": ragpg.Client.database}


def page() -> str:
    """Returns the page."""
    called = surface()
    text = _HEAD
    for title, shown in sections():
        text += f"\n## {title}\n"
        for name, example in shown.items():
            text += f"\n### {name}\n\n{_signature(name, called[name])}{_told(called[name])}\n\n"
            text += f"```python\n{example}\n```\n"
    text += "\n## What comes back\n"
    for kind in RETURNED:
        text += f"\n### {kind.__name__}\n\n{_told(kind)}\n\n| field | type |\n|---|---|\n"
        for field in dataclasses.fields(kind):
            text += f"| {field.name} | `{str(field.type).replace('|', chr(92) + '|')}` |\n"
    text += "\n## Errors\n\nAll are `ragpg.RagpgError`, in `ragpg.errors`.\n\n"
    text += "| error | what |\n|---|---|\n"
    return text + "".join(
        f"| {name} | {(kind.__doc__ or '').splitlines()[0]} |\n"
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.RagpgError)
    )


def _signature(name: str, member: Any) -> str:
    if isinstance(member, property):
        return ""
    signature = inspect.signature(member)
    arguments = []
    for one in signature.parameters.values():
        if one.kind is one.KEYWORD_ONLY and "*" not in arguments:
            arguments.append("*")
        if one.name != "self":
            arguments.append(_argument(one))
    short, result = name.rpartition(".")[2], signature.return_annotation
    called = f"{short}({', '.join(arguments)}) -> {result}"
    if len(called) > 100:  # a line for each argument
        lines = "".join(f"    {one},\n" for one in arguments)
        called = f"{short}(\n{lines}) -> {result}"
    return f"```text\n{called}\n```\n\n"


def _argument(one: inspect.Parameter) -> str:
    several = "*" * ((one.kind is one.VAR_POSITIONAL) + 2 * (one.kind is one.VAR_KEYWORD))
    given = f"{several}{one.name}: {one.annotation}"
    if one.default is one.empty:
        return given
    return f"{given} = {'...' if callable(one.default) else repr(one.default)}"


def _told(member: Any) -> str:
    return inspect.getdoc(member) or ""


if __name__ == "__main__":
    PAGE.write_text(page())
