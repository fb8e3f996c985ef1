"""Markdown: its front matter is metadata, its first top heading the title, the text is kept."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, time
from typing import Any

import yaml
from markdown_it import MarkdownIt

from ragpg.reading.decoding import decode
from ragpg.reading.result import Reading

# Block rules only: parsing what is inside paragraphs is most of the time and is not needed.
BLOCKS = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
_INLINES = MarkdownIt("commonmark")
_SHOWN = {"softbreak": " ", "hardbreak": " ", "html_inline": ""}  # other tokens' content
_ATTRIBUTES = re.compile(r"\s*\{\s*[#.:][^{}]*\}\s*$")
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_MAY_BE_H1 = re.compile(r"^ {0,3}(?:#[ \t].*|=+[ \t]*)$", re.MULTILINE)
_FRONT_MATTER_VALUES = 10_000
_NOT_FRONT_MATTER = (
    yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, StopIteration
)  # fmt: skip


def heading_text(source: str) -> str:
    """Returns a heading's Markdown as plain text: no markup, no trailing `{ #anchor }`."""
    tokens = _INLINES.parseInline(_ATTRIBUTES.sub("", source))[0].children or []
    # The content of an image is its alternative text.
    shown = (_SHOWN.get(token.type, token.content) for token in tokens)
    return " ".join("".join(shown).split())


def read_markdown(text: str) -> Reading:
    """Returns the title, the text without its front matter, and that as metadata."""
    metadata, content = _split_front_matter(text)
    title = metadata.get("title")
    return Reading(str(title) if title else first_h1(content), content, metadata)


def first_h1(text: str) -> str:
    """Returns the text of the first heading of level 1, empty without one."""
    found = _MAY_BE_H1.search(text)
    if found is None:
        return ""
    # Nearly always the first candidate is the heading, and the text up to it is all that is parsed.
    return _h1_in(text[: found.end()]) or _h1_in(text)


def _h1_in(text: str) -> str:
    for token, content in itertools.pairwise(BLOCKS.parse(text)):
        if token.type == "heading_open" and token.tag == "h1" and token.level == 0:
            return heading_text(content.content)
    return ""


def _split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    found = _FRONT_MATTER.match(text)
    if found is None:
        return {}, text
    # The budget stops aliases of aliases, which are small as YAML and endless as JSON.
    budget = iter(range(_FRONT_MATTER_VALUES))
    with suppress(*_NOT_FRONT_MATTER):
        values = _jsonable(yaml.safe_load(found[1]), budget)
        if isinstance(values, dict):
            return values, text[found.end() :].lstrip("\n")
    return {}, text


def _jsonable(value: Any, budget: Iterator[int]) -> Any:
    next(budget)
    if isinstance(value, Mapping):
        return {_key(key): _jsonable(one, budget) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_jsonable(one, budget) for one in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return decode(value) if isinstance(value, bytes) else str(value)


def _key(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
