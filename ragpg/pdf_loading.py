"""A PDF to Markdown, page by page: PDFium reads the characters, pdfplumber finds ruled tables."""

from __future__ import annotations

import ctypes
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pdfplumber
import pypdfium2
import pypdfium2.raw as pdfium_c
from pdfplumber.page import Page as PlumberPage

from ragpg.errors import LoadError
from ragpg.pdf_layout import Char, PageLayout, layout_pages
from ragpg.pdf_tables import Box
from ragpg.reading import MAX_PAGES, Reading, join_pages

# A page with fewer rules has no ruled table; one with more is a drawing and takes minutes.
_PATHS_OF_A_TABLE = range(4, 3000)
_PATHS_SEARCHED = 100_000
_HYPHEN = 2  # what PDFium gives for a hyphen at a line's end, whose line end it leaves out
_BOLD_WEIGHT = 600
_GAP = 3.0  # points between pieces of one line
_BOLD_NAME = re.compile(r"bold|black|heavy|cmbx|-medi|demi")
_DATES = ("CreationDate", "ModDate")


def read_pdf(data: bytes) -> Reading:
    """Returns a PDF's text in reading order; an encrypted or damaged one raises LoadError."""
    document = _open(data)
    if len(document) > MAX_PAGES:
        raise LoadError(f"it has {len(document):,} pages, more than {MAX_PAGES:,}: split it")
    layouts = [_read_page(document, number) for number in range(len(document))]
    if not any(page.chars for page in layouts):
        raise LoadError(
            "it holds no text, only images or drawings: recognise its text first (ocrmypdf does)"
        )
    _find_tables(data, layouts)
    content, starts = join_pages(*layout_pages(layouts))
    title, metadata = _metadata(document)
    return Reading(title, content, metadata, starts)


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(data)
        pages = len(document)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium_c.FPDF_ERR_PASSWORD:
            raise LoadError("it is encrypted with a password: save it without one") from error
        raise LoadError("it is a damaged PDF: save it again from where it came") from error
    if not pages:
        raise LoadError("it is a PDF without pages")
    return document


def _metadata(document: pypdfium2.PdfDocument) -> tuple[str, dict[str, Any]]:
    found = {name: value.strip() for name, value in document.get_metadata_dict().items()}
    wanted = {
        name.lower(): value
        for name, value in found.items()
        if value and name in ("Author", "Subject", "Keywords")
    }
    for name in _DATES:
        day = _day(found.get(name, ""))
        if day:
            wanted["created" if name == "CreationDate" else "modified"] = day
    title = found.get("Title", "")
    return title if _is_title(title) else "", {**wanted, "pages": len(document)}


def _is_title(text: str) -> bool:
    """Returns whether a human wrote it: programs put file names and placeholders there."""
    lower = text.lower()
    return (
        any(letter.isalpha() for letter in text)
        and not lower.startswith(("microsoft word", "untitled", "microsoft powerpoint"))
        and not lower.endswith((".doc", ".docx", ".dvi", ".indd", ".tex", ".pdf", ".ppt", ".pptx"))
    )


def _day(text: str) -> str:
    digits = text.removeprefix("D:")[:8]
    if len(digits) == 8 and digits.isascii() and digits.isdigit():
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    return ""


# Characters ------------------------------------------------------------------------------------


def _read_page(document: pypdfium2.PdfDocument, number: int) -> PageLayout:
    """Returns the page's characters in PDFium's order; a page that cannot be read is blank."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return PageLayout([], 0, 0)
    width, height = page.get_size()
    left, bottom = page.get_mediabox()[:2] if page.get_rotation() else page.get_cropbox()[:2]
    text = page.get_textpage()
    turn = page.get_rotation()
    fonts = _Fonts(text)
    chars = [_turned(char, turn, width, height, left, bottom) for char in _chars(text, fonts)]
    paths = sum(1 for _ in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_PATH], max_depth=3))
    text.close()
    page.close()
    return PageLayout(chars, width, height, paths=paths)


class _Fonts:
    """Tells which characters are bold; asks once for each piece of text set in one font."""

    def __init__(self, text: pypdfium2.PdfTextPage) -> None:
        self._text = text
        self._known: dict[int | None, bool] = {}
        self._name = ctypes.create_string_buffer(256)

    def is_bold(self, index: int) -> bool:
        piece = ctypes.cast(pdfium_c.FPDFText_GetTextObject(self._text, index), ctypes.c_void_p)
        if piece.value not in self._known:
            pdfium_c.FPDFText_GetFontInfo(self._text, index, self._name, 256, ctypes.c_int())
            name = self._name.value.decode("latin-1").lower()
            weight = pdfium_c.FPDFText_GetFontWeight(self._text, index)
            self._known[piece.value] = weight >= _BOLD_WEIGHT or _BOLD_NAME.search(name) is not None
        return self._known[piece.value]


def _chars(text: pypdfium2.PdfTextPage, fonts: _Fonts) -> Iterator[Char]:
    box = pdfium_c.FS_RECTF()
    pointer = ctypes.byref(box)
    high = 0
    for index in range(text.count_chars()):
        code = pdfium_c.FPDFText_GetUnicode(text, index)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000 and high:
            code, high = 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00, 0
        pdfium_c.FPDFText_GetLooseCharBox(text, index, pointer)
        generated = pdfium_c.FPDFText_IsGenerated(text, index) == 1
        character = "-\n" if code == _HYPHEN else chr(code) if 0 < code < 0xFFFE else ""
        bold = not generated and fonts.is_bold(index)
        yield Char(character, (box.left, box.bottom, box.right, box.top), generated, bold)


def _turned(char: Char, turn: int, width: float, height: float, left: float, bottom: float) -> Char:
    """Returns the character where a reader sees it: from the top left of the turned page."""
    x0, y0, x1, y1 = char.box
    x0, y0, x1, y1 = x0 - left, y0 - bottom, x1 - left, y1 - bottom
    if turn == 90:
        x0, y0, x1, y1 = y0, height - x1, y1, height - x0
    elif turn == 180:
        x0, y0, x1, y1 = width - x1, height - y1, width - x0, height - y0
    elif turn == 270:
        x0, y0, x1, y1 = width - y1, x0, width - y0, x1
    return char._replace(box=(x0, height - y1, x1, height - y0))


# Tables ----------------------------------------------------------------------------------------


def _find_tables(data: bytes, layouts: list[PageLayout]) -> None:
    """Gives pages whose rules may make a table the cells of their tables."""
    wanted = [n for n, page in enumerate(layouts) if page.paths in _PATHS_OF_A_TABLE and page.chars]
    sizes = itertools.accumulate(layouts[number].paths for number in wanted)
    wanted = [n for n, size in zip(wanted, sizes, strict=True) if size <= _PATHS_SEARCHED]
    if not wanted:
        return
    try:
        with pdfplumber.open(io.BytesIO(data)) as document:
            for number in wanted:
                layouts[number].tables = _page_tables(document.pages[number])
                document.pages[number].close()
    except Exception:
        # pdfminer raises whatever it meets in a damaged file. The text is there already.
        return


def _page_tables(page: PlumberPage) -> list[list[Box]]:
    found = page.find_tables({"explicit_vertical_lines": _outer_edges(page)})
    return [list(table.cells) for table in found if len(table.cells) > 3]


def _outer_edges(page: PlumberPage) -> list[dict[str, Any]]:
    """Returns the sides that many tables do not draw: where at least three rules begin and end.

    They reach as far as the lines between the table's columns do.
    """
    spans = Counter(
        (round(edge["x0"]), round(edge["x1"]))
        for edge in page.horizontal_edges
        if edge["x1"] - edge["x0"] > 0.1 * page.width
    )
    sides = []
    for (left, right), count in spans.items():
        if count > 2:
            inner = [edge for edge in page.vertical_edges if left + 5 < edge["x0"] < right - 5]
            for top, bottom in _stretches(inner):
                sides += [_vertical(page, x, top, bottom) for x in (left, right)]
    return sides


def _stretches(edges: list[dict[str, Any]]) -> list[list[float]]:
    """Returns the heights, from top to bottom, that the edges cover without a gap."""
    found: list[list[float]] = []
    for edge in sorted(edges, key=lambda edge: float(edge["top"])):
        if found and edge["top"] <= found[-1][1] + _GAP:
            found[-1][1] = max(found[-1][1], edge["bottom"])
        else:
            found.append([edge["top"], edge["bottom"]])
    return found


def _vertical(page: PlumberPage, x: float, top: float, bottom: float) -> dict[str, Any]:
    return {
        "object_type": "line",
        "x0": x,
        "x1": x,
        "top": top,
        "bottom": bottom,
        "y0": page.height - bottom,
        "y1": page.height - top,
        "width": 0,
        "height": bottom - top,
    }
