"""Text -> blocks: paragraphs, lists, tables, code, and the headings that govern them.

Markdown is read by its parser; source code by indentation, so that a definition is a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.tree import SyntaxTreeNode

from ragpg.reading import BLOCKS, MARKDOWN_MEDIA_TYPES, heading_text, is_code


def blocks_of(text: str, media_type: str) -> list[Block]:
    """Returns the blocks of the text; in order, they tile it."""
    if media_type in MARKDOWN_MEDIA_TYPES:
        return _markdown_blocks(text)
    return _code_blocks(text) if is_code(media_type) else _plain_blocks(text)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, or the term a list item explains: what governs the text after it."""

    offset: int
    level: int
    text: str


Headings = tuple[Heading, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A block with the headings that stay with it: they are what lies before `body`.

    `header` are the header rows of the table it is a row of, `row` its number among the others,
    from 1; `cost` is that of a break before it.
    """

    kind: str
    start: int
    body: int
    end: int
    path: Headings = ()
    parts: tuple[Block, ...] = ()
    cost: float = 0.0
    header: str = ""
    row: int = 0


_KINDS = {
    "fence": "code",
    "code_block": "code",
    "table": "table",
    "heading": "heading",
    "bullet_list": "list",
    "ordered_list": "list",
    "list_item": "item",
    "blockquote": "quote",
}
_WITHIN_TABLES = ("thead", "tbody", "tr_", "th_", "td_")  # which are many, and not needed
CONTAINERS = frozenset({"list", "item", "quote"})
WORD = re.compile(r"\w")
_MARKER = re.compile(r"\s*(?:[-*+•]|\d{1,9}[.)])\s+")
HEAD_ROW = re.compile(r"\|\s*\|.*\w")  # nothing in its first cell
NAME_ROW = re.compile(r"\|[^|]*\w[^|]*(?:\|\s*)+\|?")  # something in its first cell alone
LONE_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[^\n]*\s*")
_LONG_LINE = 200  # a line longer than this was not wrapped, so that it is a paragraph
_LONGEST_NAME = 100
PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")


def _plain_blocks(text: str) -> list[Block]:
    edges = [0, *(found.end() for found in PARAGRAPH_BREAK.finditer(text)), len(text)]
    return [Block("text", c, c, d) for a, b in pairwise(edges) for c, d in _paragraphs(text, a, b)]


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields the lines, where one is too long to have been wrapped; else all of it as one."""
    breaks = [start, *(found.end() for found in re.compile("\n").finditer(text, start, end)), end]
    is_wrapped = all(b - a <= _LONG_LINE for a, b in pairwise(breaks))
    yield from [(start, end)] if is_wrapped else pairwise(breaks)


_CLOSING = re.compile(r"[)\]}]|end\b|else\b|elif\b|except\b|finally\b|catch\b")
_ASIDE = re.compile(r"[@#*/\-\"'\[<]")  # comments, decorators, attributes, what is no definition


def _code_blocks(text: str) -> list[Block]:
    """Returns the definitions at the outer level, with the comments and decorators before them.

    A block begins at a line without indentation that closes nothing, after an empty line or after
    a line that is indented or closes something. Its later parts are told its first line.
    """
    starts, names = [0], [""]
    is_open, at = False, 0
    for line in text.splitlines(keepends=True):
        is_outer = bool(line.strip()) and not line[0].isspace()
        closes = bool(_CLOSING.match(line))
        if is_outer and not closes and is_open:
            starts.append(at)
            names.append("")
        if is_outer and not names[-1] and not _ASIDE.match(line):
            names[-1] = line.strip()[:_LONGEST_NAME]
        is_open = not is_outer or closes
        at += len(line)
    return [
        Block("code", a, a, b, (Heading(a, 1, name),) if name else ())
        for (a, b), name in zip(pairwise([*starts, len(text)]), names, strict=True)
    ]


def _markdown_blocks(text: str) -> list[Block]:
    # The parser reads a carriage return as a line end of its own, which would shift lines.
    tokens = BLOCKS.parse(text.replace("\r", " "))
    root = SyntaxTreeNode([one for one in tokens if not one.type.startswith(_WITHIN_TABLES)])
    lines = [0, *(found.end() for found in re.finditer("\n", text)), len(text)]
    blocks: list[Block] = []
    path: Headings = ()
    for node, start, end in _tiles(text, lines, root, 0, len(text)):
        if node and node.type == "heading":
            level = int(node.tag[1:])
            outer = tuple(heading for heading in path if heading.level < level)
            path = (*outer, Heading(start, level, heading_text(node.children[0].content)))
        blocks.append(_block(text, lines, node, start, end, path))
    return blocks


_Tile = tuple[SyntaxTreeNode | None, int, int]  # a node of the parser's, where it has one, and span


def _tiles(
    text: str, lines: list[int], parent: SyntaxTreeNode, start: int, end: int
) -> Iterator[_Tile]:
    """Yields the nodes in the parent with spans that tile [start, end).

    Words between two nodes (link definitions, what is nested too deep for the parser) are a tile
    of their own. What has no words, such as the mark of an empty quoted line, is its neighbour's.
    """
    nodes = [(node, *(node.map or (0, 0))) for node in parent.children]
    edges = [*(lines[first] for _, first, _ in nodes[1:]), end]
    for (node, first_line, last_line), until in zip(nodes, edges, strict=False):
        first, last = lines[first_line], min(lines[last_line], until)
        if WORD.search(text, start, first):
            yield None, start, first
            start = first
        if not WORD.search(text, last, until):
            last = until
        yield node, start, last
        start = last
    if start < end:
        yield None, start, end


def _block(
    text: str, lines: list[int], node: SyntaxTreeNode | None, start: int, end: int, path: Headings
) -> Block:
    kind = _KINDS.get(node.type, "text") if node else "text"
    if node is None or kind not in CONTAINERS:
        return Block(kind, start, start, end, path)
    tiles = list(_tiles(text, lines, node, start, end))
    term = _term(text, tiles) if kind == "item" else ""
    inner = (*path, Heading(start, 9, term)) if term else path
    parts = tuple(_block(text, lines, part, a, b, inner) for part, a, b in tiles)
    return Block(kind, start, start, end, path, parts)


def _term(text: str, tiles: list[_Tile]) -> str:
    """Returns what the list item explains: a label on its first line, with a text below it."""
    if len(tiles) < 2 or (tiles[0][0] and tiles[0][0].type in _KINDS):
        return ""
    label = _MARKER.sub("", text[tiles[0][1] : tiles[0][2]], count=1).strip()
    return heading_text(label).rstrip(COLONS) if is_label(label) else ""


COLONS = ":："
_LABEL_ENDS = frozenset(COLONS + ")*_`\"'”")


def is_label(text: str) -> bool:
    """Returns whether it is short and ends as the name of what follows it does."""
    return len(text) <= 120 and (text[-1:].isalnum() or text[-1:] in _LABEL_ENDS)
