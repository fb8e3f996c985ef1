"""A workbook's sheets to Markdown: a heading and its tables per sheet, without what is hidden."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.result import (
    ALL_HIDDEN,
    MAX_CELLS,
    MAX_CHARACTERS,
    Reading,
    join_pages,
    markdown_table,
)

_APART = 3  # blank rows, or columns: as many as separate tables, and one more
_SPANNED = 1000  # cells at most in each of whose places the text of a merged one is repeated
_TOO_LONG = f"it holds more than {MAX_CHARACTERS:,} characters: split it"


class _Merged(str):
    """The text of a cell that spans several."""

    __slots__ = ()


@dataclass(slots=True)
class Sheet:
    """A sheet's texts by row and column, from 0, however far apart they stand.

    `merged` are the tops, lefts, bottoms and rights of cells that span several places. Formulas
    that nobody has calculated are counted.
    """

    name: str = ""
    rows: dict[int, dict[int, str]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    uncalculated: int = 0


class Budget:
    """Counts the cells of a workbook, and their characters: many may share one long text."""

    def __init__(self) -> None:
        self._cells, self._characters = MAX_CELLS, MAX_CHARACTERS

    def spend(self, texts: dict[int, str]) -> None:
        """Counts a row's cells; raises as `spend_places`."""
        self.spend_places(len(texts), sum(map(len, texts.values())))

    def spend_places(self, cells: int, characters: int = 0) -> None:
        """Raises LoadError once there were more than a workbook may have."""
        self._cells -= cells
        self._characters -= characters
        if self._cells < 0:
            raise LoadError(f"it holds more than {MAX_CELLS:,} cells: split it, or save it as CSV")
        if self._characters < 0:
            raise LoadError(_TOO_LONG)


def workbook_reading(sheets: Iterable[Sheet], hidden: list[str]) -> Reading:
    """Returns each sheet as a page; `hidden` are the names of those that are left out.

    The metadata say what is left out, too: hidden rows and columns that hold something.
    """
    names, pages = [], []
    told = dict.fromkeys(("hidden_rows", "hidden_columns", "uncalculated_formulas"), 0)
    budget = Budget()
    for sheet in sheets:
        columns = {column for row in sheet.rows.values() for column in row}
        told["hidden_rows"] += len(sheet.hidden_rows & sheet.rows.keys())
        told["hidden_columns"] += len(sheet.hidden_columns & columns)
        told["uncalculated_formulas"] += sheet.uncalculated
        names.append(sheet.name)
        pages.append(_page(sheet.name, _rows(sheet, columns, budget)))
    content, starts = join_pages(pages)
    left_out: dict[str, Any] = {"hidden_sheets": hidden} if hidden else {}
    left_out |= {key: count for key, count in told.items() if count}
    if not content and (hidden or told["hidden_rows"] or told["hidden_columns"]):
        raise LoadError(ALL_HIDDEN)
    return Reading("", content, {"sheets": names, **left_out}, starts)


def _page(name: str, rows: list[list[str]]) -> str:
    texts = [text for block in _blocks(rows) for text in _block_text(block)]
    return "\n\n".join([f"## {name}", *texts]) if texts else ""


def _rows(sheet: Sheet, columns: set[int], budget: Budget) -> list[list[str]]:
    """Returns what is not hidden, each text in all places of its cell.

    What stands far apart comes closer, but not into one table: a stray cell in the last corner
    would otherwise make 17 billion.
    """
    _fill_merged(sheet, columns)
    row_places = _places(sheet.rows.keys(), sheet.hidden_rows)
    column_places = _places(columns, sheet.hidden_columns)
    rows: list[list[str]] = []
    for number, place in row_places.items():
        rows += [[] for _ in range(place - len(rows))]
        cells = sheet.rows[number]
        used = {column_places[n]: text for n, text in cells.items() if n in column_places}
        width = max(used, default=-1) + 1
        budget.spend_places(width)
        rows.append([used.get(column, "") for column in range(width)])
    return rows


def _fill_merged(sheet: Sheet, columns: set[int]) -> None:
    budget = Budget()
    last = max(sheet.rows, default=-1)
    for top, left, bottom, right in sheet.merged:
        text = sheet.rows.get(top, {}).get(left, "")
        if text and (bottom - top + 1) * (right - left + 1) <= _SPANNED:
            places = (bottom - top + 1) * (right - left + 1)
            budget.spend_places(places, places * len(text))
            for row in range(top, min(bottom, last) + 1):
                cells = sheet.rows.setdefault(row, {})
                cells |= dict.fromkeys(range(left, right + 1), _Merged(text))
            columns.update(range(left, right + 1))


def _places(used: Iterable[int], hidden: set[int]) -> dict[int, int]:
    """Returns where each number that is used and not hidden comes to stand."""
    left_out = sorted(hidden)
    places: dict[int, int] = {}
    place, before, before_hidden = -1, -1, 0
    for number in sorted(set(used) - hidden):
        now_hidden = bisect_left(left_out, number)
        blank = number - before - 1 - (now_hidden - before_hidden)
        place += 1 + min(blank, _APART)
        places[number] = place
        before, before_hidden = number, now_hidden
    return places


# Tables within a sheet -------------------------------------------------------------------------


def _blocks(rows: list[list[str]]) -> Iterator[list[list[str]]]:
    """Yields what blank rows, then blank columns, separate.

    One blank row between rows of the same columns does not end a table: it would lose its header.
    """
    groups: list[list[list[str]]] = []
    blanks = 0
    for row in rows:
        if not any(row):
            blanks += 1
            continue
        if groups and (not blanks or (blanks == 1 and _span(groups[-1]) == _span([row]))):
            groups[-1].append(row)
        else:
            groups.append([row])
        blanks = 0
    for group in groups:
        yield from _side_by_side(group)


def _span(rows: list[list[str]]) -> tuple[int, int]:
    """Returns the first column used and the column after the last one; one cell has no span."""
    used = [n for row in rows for n, cell in enumerate(row) if cell]
    return (min(used), max(used) + 1) if max(used) > min(used) else (-1, -len(rows))


def _side_by_side(rows: list[list[str]]) -> Iterator[list[list[str]]]:
    used = {n for row in rows for n, cell in enumerate(row) if cell}
    for is_used, group in itertools.groupby(range(max(used) + 1), key=used.__contains__):
        if is_used:
            columns = list(group)
            yield [row[columns[0] : columns[-1] + 1] for row in rows]


def _block_text(rows: list[list[str]]) -> Iterator[str]:
    """Yields a table; a single cell, or one over all columns at its top, is a paragraph."""
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows))
    if len(rows) * width > MAX_CHARACTERS // 3:  # of " | ", at least
        raise LoadError(_TOO_LONG)

    def is_one_cell(row: list[str]) -> bool:
        whole = len(row) == width and all(isinstance(cell, _Merged) for cell in row)
        return len(row) == 1 or (whole and len(set(row)) == 1)

    while rows and is_one_cell(rows[0]):
        if width == 1 and len(rows) > 1:
            break
        yield rows.pop(0)[0]
    if rows:
        yield markdown_table(rows)
