"""An OpenDocument workbook (.ods) to Markdown: its cells as they are shown, dates in ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ragpg.errors import LoadError
from ragpg.reading.number_formats import plain
from ragpg.reading.odf import OFFICE, STYLE, TABLE, TEXT, pieces
from ragpg.reading.result import Reading
from ragpg.reading.sheets import Budget, Sheet, workbook_reading
from ragpg.reading.zip_package import ZipPackage

_CELLS = (f"{TABLE}table-cell", f"{TABLE}covered-table-cell")
_CACHE = "ta_extref"  # LibreOffice's style of what it remembers of other files
_MOST = 2**20  # rows, as in every program
_TIME = re.compile(r"(-?)PT(\d+)H(\d+)M(\d+(?:[.,]\d+)?)S$")
_REFERENCE = re.compile(r"\[\.?([^\]]*)\]")  # [.A1:.A3]


def read_ods(data: bytes) -> Reading:
    """Returns each sheet that is not hidden as a page."""
    package = ZipPackage(data)
    manifest = package.xml_or_none("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter("{*}encryption-data"), None) is not None:
        raise LoadError("it is encrypted with a password: save it without one")
    hidden: list[str] = []
    return workbook_reading(_sheets(package, hidden), hidden)


def _sheets(package: ZipPackage, hidden: list[str]) -> Iterator[Sheet]:
    """Yields the sheets; the names of those that are hidden are put into `hidden`."""
    budget = Budget()
    sheet, columns, row = Sheet(), 0, 0
    hidden_styles: set[str] = set()
    wanted = (f"{STYLE}style", *(f"{TABLE}{one}" for one in ("table", "table-row", "table-column")))
    for element in package.elements("content.xml", *wanted):
        if element.tag == f"{STYLE}style":
            properties = element.find(f"{STYLE}table-properties")
            if properties is not None and properties.get(f"{TABLE}display") == "false":
                hidden_styles.add(element.get(f"{STYLE}name", ""))
        elif element.tag == f"{TABLE}table":
            sheet.name = element.get(f"{TABLE}name", "")
            style = element.get(f"{TABLE}style-name", "")
            if style in hidden_styles:
                hidden += [] if style == _CACHE else [sheet.name]
            elif style != _CACHE:
                yield sheet
            sheet, columns, row = Sheet(), 0, 0
        elif element.tag == f"{TABLE}table-column":
            count = _count(element, "columns-repeated")
            if _is_hidden(element):
                sheet.hidden_columns.update(range(columns, min(columns + count, 2**14)))
            columns += count
        else:
            row += _read_row(sheet, row, element, budget)


def _read_row(sheet: Sheet, number: int, row: etree._Element, budget: Budget) -> int:
    """Puts the row into the sheet as often as it is repeated; returns how often that is."""
    count = _count(row, "rows-repeated")
    texts: dict[int, str] = {}
    column = 0
    for cell in row.iterchildren(*_CELLS):
        repeated = _count(cell, "columns-repeated")
        if text := _text(sheet, cell, count * repeated).strip():
            budget.spend_places(count * repeated, count * repeated * len(text))
            texts |= dict.fromkeys(range(column, column + repeated), text)
            bottom, right = _count(cell, "rows-spanned") - 1, _count(cell, "columns-spanned") - 1
            if bottom or right:
                sheet.merged.append((number, column, number + bottom, column + right))
        column += repeated
    if texts:
        sheet.rows |= {number + n: dict(texts) for n in range(count)}
        if _is_hidden(row):
            sheet.hidden_rows.update(range(number, number + count))
    return count


def _is_hidden(element: etree._Element) -> bool:
    """Returns whether somebody hid the row or column: not a filter, and no collapsed group."""
    if element.get(f"{TABLE}visibility") != "collapse":
        return False
    groups = (f"{TABLE}table-row-group", f"{TABLE}table-column-group")
    return next(element.iterancestors(*groups), None) is None


def _text(sheet: Sheet, cell: etree._Element, times: int) -> str:
    """Returns what the cell shows; a formula nobody has calculated as it is written."""
    kind = cell.get(f"{OFFICE}value-type", "")
    if kind == "date":
        day, _, time = cell.get(f"{OFFICE}date-value", "").partition("T")
        return day if time.strip("0:.") == "" else f"{day} {time}"
    if kind == "time" and (found := _TIME.match(cell.get(f"{OFFICE}time-value", ""))):
        return f"{found[1]}{found[2]}:{found[3]}:{found[4]}".replace(",", ".")
    text = "\n".join("".join(pieces(one, [])) for one in cell.iterchildren(f"{TEXT}p"))
    value = cell.get(f"{OFFICE}value", "")
    formula = cell.get(f"{TABLE}formula", "")
    if formula and not kind and not text:
        sheet.uncalculated += times
        return "=" + _REFERENCE.sub(
            lambda match: match[1].replace(":.", ":"), formula.partition("=")[2]
        )
    if kind == "float" and "E+" in text and plain(value).isdigit():  # a long code
        return plain(value)
    return text or cell.get(f"{OFFICE}string-value", "") or (plain(value) if value else "")


def _count(element: etree._Element, name: str) -> int:
    count = element.get(f"{TABLE}number-{name}", "1")
    return (
        max(1, min(int(count), _MOST))
        if count.isascii() and count.isdigit() and len(count) < 9
        else 1
    )
