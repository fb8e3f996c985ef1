"""A binary workbook (.xlsb, .xls) to Markdown: what calamine reads of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from ragpg.errors import LoadError
from ragpg.reading.number_formats import plain, shown
from ragpg.reading.result import MAX_CELLS, Reading
from ragpg.reading.sheets import Budget, Sheet, workbook_reading
from ragpg.reading.zip_package import ZipPackage

_MOST_PLACES = 8 * MAX_CELLS  # 1.3 GB in calamine
_ROW, _CELLS = 0, {*range(2, 12), 62}  # the records; blank cells take no place


def read_spreadsheet(data: bytes) -> Reading:
    """Returns each sheet that is not hidden as a page."""
    _check_extents(data)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError as error:
        raise LoadError("it is encrypted with a password: save it without one") from error
    except CalamineError as error:
        raise LoadError(f"it is a damaged workbook ({error}): save it again") from error
    sheets = [one for one in workbook.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    shown = [one.name for one in sheets if one.visible == SheetVisibleEnum.Visible]
    hidden = [one.name for one in sheets if one.visible != SheetVisibleEnum.Visible]
    return workbook_reading(_sheets(workbook, shown), hidden)


def _check_extents(data: bytes) -> None:
    """Raises LoadError for a .xlsb with a cell so far out that calamine, which allocates all places
    before it, would die of it."""
    if not data.startswith(b"PK"):
        return  # .xls has 65,536 rows of 256 columns at most
    package = ZipPackage(data)
    for part in package.names:
        if part.startswith("xl/worksheets/") and part.endswith(".bin"):
            rows, columns = _extent(package.read(part))
            if rows * columns > _MOST_PLACES:
                raise LoadError(
                    f"a sheet of it has cells over {rows:,} rows and {columns:,} columns: delete "
                    "the one far from the others, or save it as .xlsx"
                )


def _extent(part: bytes) -> tuple[int, int]:
    """Returns the rows and columns up to the last cell of a sheet ([MS-XLSB] 2.1.4)."""
    rows = columns = row = place = 0
    while place + 2 < len(part):
        kind, place = _varint(part, place)
        size, place = _varint(part, place)
        number = int.from_bytes(part[place : place + 4], "little")
        if kind == _ROW:
            row = number
        elif kind in _CELLS:
            rows, columns = max(rows, row + 1), max(columns, number + 1)
        place += size
    return rows, columns


def _varint(part: bytes, place: int) -> tuple[int, int]:
    """Returns the number, seven bits a byte, at the place and where the next one starts."""
    number = 0
    for n, byte in enumerate(part[place : place + 4]):
        number |= (byte & 127) << 7 * n
        if byte < 128:
            return number, place + n + 1
    return number, place + 4


def _sheets(workbook: CalamineWorkbook, names: list[str]) -> Iterator[Sheet]:
    budget = Budget()
    for name in names:
        found = workbook.get_sheet_by_name(name)
        sheet = Sheet(name)
        left = found.start[1] if found.start else 0  # its rows begin there, and at the first row
        for number, row in enumerate(found.iter_rows()):
            cells = map(str.strip, map(cell_text, row))
            texts = {n: text for n, text in enumerate(cells, left) if text}
            budget.spend(texts)
            if texts:
                sheet.rows[number] = texts
        ranges = found.merged_cell_ranges or []
        sheet.merged = [(*first, *last) for first, last in ranges]
        yield sheet


def cell_text(value: Any) -> str:
    """Returns a cell as people write it: 15 digits as Excel does, times in ISO 8601."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return plain(repr(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, timedelta):  # of more than 24 hours, too
        return shown(repr(value.total_seconds() / 86400), "[h]:mm:ss")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
