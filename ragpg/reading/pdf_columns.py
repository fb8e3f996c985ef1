"""Tables without rules: consecutive rows of short texts whose columns are clear of each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, TypeVar

from ragpg.reading.pdf_boxes import Box, Line, bounds
from ragpg.reading.result import markdown_table

_FEWEST_ROWS = {2: 4}  # by columns; more columns need three
_CELL_CHARACTERS = 40  # on average: columns of prose have more
_SECOND_CHARACTERS = 25  # of two columns: a table's second one is short
_LABEL = re.compile(r"\W|[(\[]?\w{1,3}[.)\]]")  # of a list's item
T = TypeVar("T")


class AlignedTable(NamedTuple):
    """Lines of as many segments each."""

    lines: list[Line]

    @property
    def box(self) -> Box:
        return bounds(line.box for line in self.lines)

    def markdown(self) -> str:
        return markdown_table([one.text for one in line.segments] for line in self.lines)


def with_aligned_tables(items: list[Line | T]) -> Iterator[Line | T | AlignedTable]:
    """Yields the items, runs of lines that are a table as one."""
    run: list[Line] = []
    for item in items:
        if isinstance(item, Line) and (not run or _is_next(run, item)):
            run.append(item)
            continue
        yield from _settled(run)
        run = [item] if isinstance(item, Line) else []
        if not run:
            yield item
    yield from _settled(run)


def _settled(run: list[Line]) -> list[Line] | list[AlignedTable]:
    return [AlignedTable(run)] if run and _is_table(run) else run


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
