"""A text as blocks and marked pieces, every character kept, for a template to escape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

START_MARK, STOP_MARK = "\x01", "\x02"
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some characters, marked or not; `first` is the first marked piece of its text."""

    text: str
    marked: bool
    first: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one kind (text, gap, heading, code, table): their pieces join to them exactly."""

    kind: str
    pieces: tuple[Piece, ...]


def blocks(text: str, marks: Sequence[Span] = ()) -> list[Block]:
    """Returns the text as blocks; `marks` are disjoint spans in ascending order."""
    found = []
    waiting = True
    for kind, start, end in _kinds(text):
        pieces = []
        for piece_start, piece_end, marked in _cut(start, end, marks):
            pieces.append(Piece(text[piece_start:piece_end], marked, marked and waiting))
            waiting = waiting and not marked
        found.append(Block(kind, tuple(pieces)))
    return found


def word_marks(content: str, highlighted: str) -> list[Span]:
    """Returns the spans of `content` that `ragpg.highlight` put between the marks.

    Empty when the two differ in more than the marks: a text may hold these characters itself.
    """
    spans, length = [], 0
    for place, part in enumerate(highlighted.replace(STOP_MARK, START_MARK).split(START_MARK)):
        if place % 2:
            spans.append((length, length + len(part)))
        length += len(part)
    bare = highlighted.replace(START_MARK, "").replace(STOP_MARK, "")
    return spans if bare == content else []


def _kinds(text: str) -> Iterator[tuple[str, int, int]]:
    """Yields kind, start and end of each run of lines of the same kind."""
    run: tuple[str, int, int] | None = None
    fenced = False
    position = 0
    for line in text.splitlines(keepends=True):
        fence = line.lstrip().startswith("```")
        kind = "code" if fenced or fence else _kind(line)
        fenced ^= fence
        end = position + len(line)
        if run and run[0] == kind and kind != "heading":
            run = (kind, run[1], end)
        else:
            if run:
                yield run
            run = (kind, position, end)
        position = end
    if run:
        yield run


def _kind(line: str) -> str:
    if not line.strip():
        return "gap"
    if line.startswith("|"):
        return "table"
    hashes = len(line) - len(line.lstrip("#"))
    return "heading" if 0 < hashes < 7 and line[hashes : hashes + 1] == " " else "text"


def _cut(start: int, end: int, marks: Sequence[Span]) -> Iterator[tuple[int, int, bool]]:
    """Yields the parts of `[start, end)` in turn, and whether each lies in a mark."""
    for mark_start, mark_end in marks:
        left, right = max(start, mark_start), min(end, mark_end)
        if left < right:
            if start < left:
                yield start, left, False
            yield left, right, True
            start = right
    if start < end:
        yield start, end, False
