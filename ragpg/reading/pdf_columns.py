"""Tables without rules: consecutive rows of short texts whose columns are clear of each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ragpg.reading.pdf_tables import Box
from ragpg.reading.result import markdown_table

if TYPE_CHECKING:
    from ragpg.reading.pdf_layout import Line

_FEWEST_ROWS = {2: 4}  # by columns; more columns need three
_CELL_CHARACTERS = 40  # on average: columns of prose have more
_SECOND_CHARACTERS = 25  # of two columns: a table's second one is short
_LABEL = re.compile(r"\W|[(\[]?\w{1,3}[.)\]]")  # of a list's item
T = TypeVar("T")


class Segment(NamedTuple):
    """A piece of a line, with wide gaps around it."""

    left: float
    right: float
    text: str


class AlignedTable:
    """Rows of segments, as many in each."""

    def __init__(self, rows: list[list[Segment]], box: Box) -> None:
        self.rows = rows
        self.box = box

    def markdown(self) -> str:
        return markdown_table([[one.text for one in row] for row in self.rows])


def with_aligned_tables(items: list[T], lines: type[Line]) -> Iterator[T | AlignedTable]:
    """Yields the items, runs of lines that are a table as one."""
    run: list[Line] = []
    for item in items:
        if isinstance(item, lines) and (not run or _is_next(run, item)):
            run.append(item)
            continue
        yield from _settled(run)  # type: ignore[misc]
        run = [item] if isinstance(item, lines) else []
        if not run:
            yield item
    yield from _settled(run)  # type: ignore[misc]


def _is_next(run: list[Line], line: Line) -> bool:
    """Returns whether the line may be a row below those of the run."""
    last = run[-1]
    step = line.box[3] - last.box[3]
    return (
        len(line.segments) == len(last.segments) > 1
        and 0.5 * last.size < step < 3 * last.size
        and _columns_are_clear([*run, line])
    )


def _columns_are_clear(run: list[Line]) -> bool:
    columns = list(zip(*(line.segments for line in run), strict=True))
    gap = 0.5 * run[0].size
    return all(
        max(one.right for one in left) + gap < min(one.left for one in right)
        for left, right in pairwise(columns)
    )


def _settled(run: list[Line]) -> Iterable[Line | AlignedTable]:
    if not run or not _is_table(run):
        return run
    lefts, tops, rights, bottoms = zip(*(line.box for line in run), strict=True)
    box = (min(lefts), min(tops), max(rights), max(bottoms))
    return [AlignedTable([list(line.segments) for line in run], box)]


def _is_table(run: list[Line]) -> bool:
    width = len(run[0].segments)
    if width < 2 or len(run) < _FEWEST_ROWS.get(width, 3):
        return False
    texts = [one.text for line in run for one in line.segments]
    if sum(map(len, texts)) > _CELL_CHARACTERS * len(texts):
        return False
    if all(_LABEL.fullmatch(line.segments[0].text) for line in run[1:]):
        return False
    return width > 2 or all(len(line.segments[1].text) <= _SECOND_CHARACTERS for line in run)
