"""A workbook (.xlsx, .xlsm, .xlsb, .xls, .ods) to Markdown: a heading and its tables per sheet."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from ragpg.errors import LoadError
from ragpg.reading.result import MAX_CELLS, Reading, fill_span, join_pages, markdown_table


class _Merged(str):
    """The text of a cell that spans several."""

    __slots__ = ()


def read_spreadsheet(data: bytes) -> Reading:
    """Returns each sheet of the workbook as a page; the words of an empty one raise LoadError."""
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError as error:
        raise LoadError("it is encrypted with a password: save it without one") from error
    except CalamineError as error:
        raise LoadError(f"it is a damaged workbook ({error}): save it again") from error
    names = [one.name for one in workbook.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    budget = MAX_CELLS
    pages = []
    for name in names:
        rows = _rows(workbook, name, budget)
        budget -= sum(map(len, rows))
        pages.append(_page(name, rows))
    content, starts = join_pages(pages)
    return Reading("", content, {"sheets": names}, starts)


def _page(name: str, rows: list[list[str]]) -> str:
    texts = [text for block in _blocks(rows) for text in _block_text(block)]
    return "\n\n".join([f"## {name}", *texts]) if texts else ""


def _rows(workbook: CalamineWorkbook, name: str, budget: int) -> list[list[str]]:
    """Returns the sheet's cells as texts; each place of a merged cell holds its text."""
    sheet = workbook.get_sheet_by_name(name)
    if sheet.total_height * sheet.total_width > 20 * budget:
        raise LoadError(
            f'sheet "{name}" spans {sheet.total_height:,} rows and {sheet.total_width:,} columns, '
            f"more than {MAX_CELLS:,} cells in all: split it, or save it as CSV"
        )
    rows: list[list[str]] = []
    for row in sheet.iter_rows():
        texts = [cell_text(cell) for cell in row]
        while texts and not texts[-1]:
            texts.pop()
        budget -= len(texts)
        if budget < 0:
            raise LoadError(f"it holds more than {MAX_CELLS:,} cells: split it, or save it as CSV")
        rows.append(texts)
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        text = rows[top][left] if top < len(rows) and left < len(rows[top]) else ""
        height, width = bottom - top + 1, right - left + 1
        if text and height * width <= 1000:
            fill_span(rows, top, left, height, width, _Merged(text))
    return rows


def cell_text(value: Any) -> str:
    """Returns a cell as people write it: 15 digits as Excel does, times in ISO 8601."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


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
    width = max(map(len, rows))
    used = [any(column < len(row) and row[column] for row in rows) for column in range(width)]
    for is_used, group in itertools.groupby(range(width), key=lambda column: used[column]):
        if is_used:
            columns = list(group)
            yield [row[columns[0] : columns[-1] + 1] for row in rows]


def _block_text(rows: list[list[str]]) -> Iterator[str]:
    """Yields a table; a single cell, or one over all columns at its top, is a paragraph."""
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows))

    def is_one_cell(row: list[str]) -> bool:
        whole = len(row) == width and all(isinstance(cell, _Merged) for cell in row)
        return len(row) == 1 or (whole and len(set(row)) == 1)

    while rows and is_one_cell(rows[0]):
        if width == 1 and len(rows) > 1:
            break
        yield rows.pop(0)[0]
    if rows:
        yield markdown_table(rows)
