"""What every reader of a file format returns, how pages are joined, how a table is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.decoding import clean_text

MAX_FILE_BYTES = 256 * 2**20
MAX_CHARACTERS = 50_000_000
MAX_PAGES = 10_000
MAX_CELLS = 5_000_000
ALL_HIDDEN = "all that it holds is hidden: show it, and save it again"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in a file: Markdown, or plain text where the media type says so.

    `page_starts` are the offsets in `content`, in code points, at which pages 1, 2, 3 ... start.
    """

    title: str
    content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    page_starts: tuple[int, ...] = ()


def join_pages(
    pages: Iterable[str], between: Callable[[str, str], str] = lambda before, after: "\n\n"
) -> tuple[str, tuple[int, ...]]:
    """Returns the pages as one clean text and where each starts in it.

    A blank page shares the start of the next one; at the end that is the length of the text.
    `between(text so far, next page)` separates two pages that hold text.
    """
    parts: list[str] = []
    starts: list[int] = []
    length = blanks = 0
    for number, page in enumerate(pages, 1):
        if number > MAX_PAGES:
            raise LoadError(f"it has more than {MAX_PAGES:,} pages: split it")
        text = clean_text(page).strip("\n\ufeff")
        if not text.strip():
            blanks += 1
            continue
        separator = between(parts[-1], text) if parts else ""
        starts += [length + len(separator)] * (blanks + 1)
        parts += [separator, text]
        length, blanks = length + len(separator) + len(text), 0
        if length > MAX_CHARACTERS:
            raise LoadError(f"it holds more than {MAX_CHARACTERS:,} characters: split it")
    return "".join(parts), (*starts, *[length] * blanks)


def told_hidden(metadata: dict[str, Any], characters: int, content: str) -> dict[str, Any]:
    """Returns the metadata with how much hidden text was left out of the content.

    Where there is no other, LoadError says so.
    """
    if characters and not content.strip():
        raise LoadError(ALL_HIDDEN)
    return {**metadata, "hidden_characters": characters} if characters else metadata


# Blocks ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Block:
    """A piece of Markdown; list items and lines of code that follow each other belong together."""

    text: str
    kind: str = "paragraph"  # heading, item, code, table
    level: int = 0


def blocks_markdown(blocks: Iterable[Block]) -> str:
    """Returns the blocks as Markdown: items as one list, lines of code in one fence."""
    parts: list[str] = []
    for kind, group in groupby(blocks, key=lambda block: block.kind):
        if kind == "item":
            parts.append(_list(group))
        elif kind == "code":
            parts.append("\n".join(["```", *(block.text for block in group), "```"]))
        else:
            parts += [block.text for block in group]
    return "\n\n".join(parts).strip("\n")


def _list(items: Iterable[Block]) -> str:
    """Returns the items below each other; each is at most one level below the one before it."""
    lines: list[str] = []
    depths: list[int] = []
    for item in items:
        while depths and depths[-1] >= item.level:
            depths.pop()
        indent = "    " * len(depths)
        depths.append(item.level)
        lines.append(indent + item.text.replace("\n", f"\n{indent}  "))
    return "\n".join(lines)


def cell_text(blocks: list[Block]) -> str:
    """Returns a cell's blocks as words; a list of one item is just that item."""
    if len(blocks) == 1 and blocks[0].kind == "item":
        return blocks[0].text.removeprefix("- ")
    return " ".join(map(_cell_words, blocks))


def _cell_words(block: Block) -> str:
    if block.kind == "heading":
        return block.text.lstrip("# ")
    if block.kind == "table":
        lines = block.text.replace("\\|", "|").split("\n")
        return " ".join(line.strip("| ") for n, line in enumerate(lines) if n != 1)
    return block.text


# Tables ----------------------------------------------------------------------------------------


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Returns rows of cells, the first row being the header, as a Markdown table.

    Pipes are escaped, line ends within a cell are spaces, short rows are filled up, rows and
    columns at the end that hold nothing are left out. No row gives an empty text.
    """
    cells = [[" ".join(cell.replace("|", "\\|").split()) for cell in row] for row in rows]
    widths = [max((n for n, cell in enumerate(row, 1) if cell), default=0) for row in cells]
    while widths and not widths[-1]:
        widths.pop()
    if not widths:
        return ""
    width = max(widths)
    lines = [_line(row[:width] + [""] * (width - len(row))) for row in cells[: len(widths)]]
    lines.insert(1, _line(["---"] * width))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def fill_span(
    rows: list[list[str]], top: int, left: int, height: int, width: int, text: str
) -> None:
    """Puts the text of a cell that spans several places into each of them."""
    for row in rows[top : top + height]:
        row += [""] * (left + width - len(row))
        row[left : left + width] = [text] * width
