"""An Excel workbook (.xlsx, .xlsm) to Markdown: its cells as they are shown.

Read by itself: calamine gives no number formats, no formulas beside their values and not what is
hidden, and allocates all places up to the last cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from ragpg.reading.number_formats import BUILT_IN, plain, shown, shown_text
from ragpg.reading.result import Reading
from ragpg.reading.sheets import Budget, Sheet, workbook_reading
from ragpg.reading.zip_package import ZipPackage

_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NEW_FUNCTION = re.compile(r"\b_xl(?:fn|ws|pm)\.")  # a prefix only files have
_TRUE = ("1", "true", "on")


def read_xlsx(data: bytes) -> Reading:
    """Returns each sheet that is not hidden as a page."""
    package = ZipPackage(data)
    main = package.main("officeDocument", "xl/workbook.xml")
    root = package.xml(main)
    parts = dict(package.related("worksheet", main))
    names: dict[str, str] = {}
    hidden: list[str] = []
    for number, sheet in enumerate(root.iter("{*}sheet"), 1):
        name, part = sheet.get("name") or f"Sheet{number}", parts.get(sheet.get(_RELATION, ""))
        if part is not None and part in package.names:
            if sheet.get("state", "visible") == "visible":
                names[part] = name
            else:
                hidden.append(name)
    reader = _Reader(package, main, root)
    return workbook_reading((reader.sheet(name, part) for part, name in names.items()), hidden)


class _Reader:
    """Reads the sheets of a workbook."""

    def __init__(self, package: ZipPackage, main: str, root: etree._Element) -> None:
        self._package = package
        self._budget = Budget()
        properties, calculation = root.find("{*}workbookPr"), root.find("{*}calcPr")
        self._is_1904 = _is_true(properties, "date1904")
        # Such a file was written by a program that calculates nothing; some write zeros.
        self._is_uncalculated = _is_true(calculation, "fullCalcOnLoad")
        styles = next((part for _, part in package.related("styles", main)), "xl/styles.xml")
        self._formats = _formats(package.xml_or_none(styles))
        strings = next((part for _, part in package.related("sharedStrings", main)), "")
        found = package.elements(strings, "{*}si") if strings in package.names else ()
        self._strings = [_rich_text(one) for one in found]

    def sheet(self, name: str, part: str) -> Sheet:
        """Returns the sheet in the part."""
        sheet = Sheet(name)
        filtered = list(self._filtered_tables(part))
        number = -1
        is_filtered = False
        wanted = ("sheetPr", "row", "col", "mergeCell", "autoFilter")
        for element in self._package.elements(part, *(f"{{*}}{one}" for one in wanted)):
            kind = _name(element)
            if kind == "row":
                number = _whole(element.get("r"), number + 2) - 1
                self._row(sheet, number, element)
            elif kind == "col" and _is_hidden(element):
                first, last = _whole(element.get("min"), 1), _whole(element.get("max"), 1)
                sheet.hidden_columns.update(range(first - 1, min(last, 2**14)))
            elif kind == "sheetPr":
                is_filtered = _is_true(element, "filterMode")
            elif kind == "mergeCell":
                sheet.merged.append(_range(element))
            elif _filters(element) and _name(element.getparent()) == "worksheet":
                filtered.append(_range(element))
        if is_filtered and not filtered:  # an advanced filter: it does not say where
            sheet.hidden_rows.clear()
        for top, _, bottom, _ in filtered:  # nobody hid these: one who looks at others did
            sheet.hidden_rows = {n for n in sheet.hidden_rows if not top <= n <= bottom}
        return sheet

    def _filtered_tables(self, part: str) -> Iterator[tuple[int, int, int, int]]:
        for _, table in self._package.related("table", part):
            root = self._package.xml_or_none(table)
            yield from map(_range, filter(_filters, root if root is not None else ()))

    def _row(self, sheet: Sheet, number: int, row: etree._Element) -> None:
        texts: dict[int, str] = {}
        column = -1
        for cell in row:
            if _name(cell) == "c":
                column = _column(cell.get("r", "").rstrip("0123456789"), column + 1)
                if len(cell) and (text := self._text(sheet, cell).strip()):
                    texts[column] = text
        self._budget.spend(texts)
        if texts:
            sheet.rows[number] = texts
        if _is_hidden(row):
            sheet.hidden_rows.add(number)

    def _text(self, sheet: Sheet, cell: etree._Element) -> str:
        """Returns what the cell shows; a formula nobody has calculated as it is written."""
        value: str | None = None
        formula: etree._Element | None = None
        for part in cell:
            name = _name(part)
            if name == "v":
                value = part.text or ""
            elif name == "f":
                formula = part
            elif name == "is":
                return self._shown_text(cell, _rich_text(part))
        if formula is not None and self._is_no_result(cell, value):
            sheet.uncalculated += 1
            # Of formulas that share one, only the first has its words.
            return f"={_NEW_FUNCTION.sub('', formula.text)}" if formula.text else ""
        return self._value(cell, value) if value else ""

    def _is_no_result(self, cell: etree._Element, value: str | None) -> bool:
        """Returns whether the value beside a formula is none: an empty text may well be one."""
        if not value:
            return value is None or cell.get("t", "n") != "str"
        return self._is_uncalculated and value == "0"

    def _value(self, cell: etree._Element, value: str) -> str:
        kind = cell.get("t", "n")
        if kind == "s":
            place = _whole(value, -1)
            is_known = 0 <= place < len(self._strings)
            return self._shown_text(cell, self._strings[place]) if is_known else ""
        if kind == "str":
            return self._shown_text(cell, _unescaped(value))
        if kind == "b":
            return "FALSE" if value == "0" else "TRUE"
        if kind == "d":
            return value.removesuffix("Z").removesuffix("T00:00:00").replace("T", " ")
        if kind == "e" and cell.get("vm"):  # a picture in the cell, for newer programs
            return ""
        if kind != "n":
            return _unescaped(value)
        code = self._formats.get(cell.get("s", "0"), "")
        return shown(value, code, self._is_1904) if code else plain(value)

    def _shown_text(self, cell: etree._Element, text: str) -> str:
        code = self._formats.get(cell.get("s", "0"), "")
        return shown_text(text, code) if code else text


def _formats(root: etree._Element | None) -> dict[str, str]:
    """Returns the number formats of the cells' styles; those of General are left out."""
    if root is None:
        return {}
    own = {one.get("numFmtId", ""): one.get("formatCode", "") for one in root.iter("{*}numFmt")}
    styles = root.find("{*}cellXfs")
    codes = {
        str(number): own.get(key := style.get("numFmtId", "0")) or BUILT_IN.get(_whole(key, 0), "")
        for number, style in enumerate(styles if styles is not None else ())
    }
    return {style: code for style, code in codes.items() if code and code.lower() != "general"}


def _rich_text(parent: etree._Element) -> str:
    """Returns the text of a string and its runs, without the phonetic one."""
    texts = []
    for element in parent:
        if _name(element) == "t":
            texts.append(element.text or "")
        elif _name(element) == "r":
            texts += [one.text or "" for one in element.iterchildren("{*}t")]
    return _unescaped("".join(texts))


def _unescaped(text: str) -> str:
    """Returns the text with the characters XML has not: _x000D_ is a carriage return."""
    if "_x" not in text:
        return text
    text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _name(element: etree._Element | None) -> str:
    tag = element.tag if element is not None else None
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _filters(element: etree._Element) -> bool:
    """Returns whether it is a filter in use."""
    return _name(element) == "autoFilter" and element.find("{*}filterColumn") is not None


def _is_hidden(element: etree._Element) -> bool:
    """Returns whether somebody hid the row or column; a collapsed group's are a click away."""
    return _is_true(element, "hidden") and element.get("outlineLevel", "0") == "0"


def _is_true(element: etree._Element | None, name: str) -> bool:
    return element is not None and element.get(name, "") in _TRUE


def _whole(text: str | None, default: int) -> int:
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) < 10
    return int(text or 0) if is_number else default


@lru_cache(maxsize=2**14)
def _column(letters: str, default: int) -> int:
    """Returns the number, from 0, of a column named by letters."""
    number = 0
    for letter in letters.strip("$"):
        number = number * 26 + int(letter, 36) - 9 if letter.isalpha() and letter.isascii() else 0
    return number - 1 if 0 < number <= 2**14 else default


def _range(element: etree._Element) -> tuple[int, int, int, int]:
    """Returns the top, left, bottom and right, from 0, of what the element refers to."""
    first, _, last = element.get("ref", "").replace("$", "").partition(":")
    corners = []
    for corner in (first, last or first):
        letters = corner.rstrip("0123456789")
        corners += [_whole(corner[len(letters) :], 1) - 1, _column(letters, 0)]
    top, left, bottom, right = corners
    return top, left, bottom, right
