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
# As Python-Markdown, kramdown and Pandoc have them: { #anchor .class }, {: .class }, {key="value"}.
_LIST = r"\{(?::[ \t\w#.]|[ \t]*[#.]-?\w|[ \t]*[\w-]+=[\"'])[^{}\n]*\}"
_ATTRIBUTES = re.compile(rf"(?<![ \t])[ \t]*{_LIST}[ \t]*$", re.MULTILINE)
_ATTRIBUTES_ALONE = re.compile(rf"[ \t>]*{_LIST}[ \t]*")
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
# Pictures within the text (RFC 2397): a hundred characters and more that say nothing.
_DATA = r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+=-]+)*,"
_DATA_IMAGE = re.compile(
    rf"!\[([^\]\n]*)\]\(\s*<?{_DATA}[^)\s>]{{100,}}>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)",
    re.IGNORECASE,
)
_DATA_DEFINITION = re.compile(
    rf"^ {{0,3}}\[[^\]\n]+\]:\s*<?{_DATA}\S{{100,}}.*(?:\n|\Z)", re.IGNORECASE | re.MULTILINE
)
_DATA_ELSEWHERE = re.compile(rf"({_DATA})[\w+/=%.~-]{{100,}}", re.IGNORECASE)
_MAY_BE_H1 = re.compile(r"^ {0,3}(?:#[ \t].*|=+[ \t]*)$", re.MULTILINE)
_FRONT_MATTER_VALUES = 10_000
_NOT_FRONT_MATTER = (
    yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, StopIteration
)  # fmt: skip


class _FrontMatter(yaml.SafeLoader):
    """YAML 1.2's core schema (section 10.3.2), and the dates of 1.1, in which NO is false.

    A number is one where it is written as its value is: a version 1.10, a code 01234 and a time
    12:30 stay text.
    """

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError:  # month 13
            return node.value


_FrontMatter.yaml_implicit_resolvers = {}  # none of 1.1's
_DATE = next(
    pattern for tag, pattern in yaml.SafeLoader.yaml_implicit_resolvers["2"] if "timestamp" in tag
)
for _tag, _pattern, _first in (
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("int", re.compile(r"^(?:0|-?[1-9]\d*)$"), "-0123456789"),
    # Up to the digits that a float keeps.
    ("float", re.compile(r"^-?(?=[\d.]{3,16}$)(?:0|[1-9]\d*)\.(?:0|\d*[1-9])$"), "-0123456789"),
    ("timestamp", _DATE, "0123456789"),
    ("merge", re.compile(r"^<<$"), "<"),
):
    _FrontMatter.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list(_first))

_FrontMatter.add_constructor("tag:yaml.org,2002:timestamp", _FrontMatter.construct_yaml_timestamp)


def heading_text(source: str) -> str:
    """Returns a heading's Markdown as plain text: no markup, no trailing `{ #anchor }`."""
    tokens = _INLINES.parseInline(_ATTRIBUTES.sub("", source))[0].children or []
    # The content of an image is its alternative text.
    shown = (_SHOWN.get(token.type, token.content) for token in tokens)
    return " ".join("".join(shown).split())


def read_markdown(text: str) -> Reading:
    """Returns the title, the text without its front matter, and that as metadata."""
    metadata, content = _split_front_matter(without_pictures(text))
    content, title = without_attributes(content), metadata.get("title")
    return Reading(str(title) if title else first_h1(content), content, metadata)


def without_pictures(text: str) -> str:
    """Returns Markdown without pictures written into it; their alternative text stays."""
    if "data:" not in text.lower():
        return text
    text = _DATA_DEFINITION.sub("", _DATA_IMAGE.sub(r"\1", text))
    return _DATA_ELSEWHERE.sub(r"\1", text)


def without_attributes(text: str) -> str:
    """Returns Markdown without headings' attributes, and those on a line of their own."""
    if not _ATTRIBUTES.search(text):
        return text
    lines: list[str | None] = [*text.split("\n")]
    for token in BLOCKS.parse(text):
        if token.type in ("heading_open", "paragraph_open") and token.map:
            for number in range(*token.map):
                line = lines[number]
                if line is None or _ATTRIBUTES_ALONE.fullmatch(line):
                    lines[number] = None
                elif token.type == "heading_open":
                    lines[number] = _ATTRIBUTES.sub("", line)
    return "\n".join(line for line in lines if line is not None)


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
        values = _jsonable(yaml.load(found[1], _FrontMatter), budget)
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
