"""A PDF to Markdown, page by page: PDFium reads the characters and the rules of tables."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium_c

from ragpg.errors import LoadError
from ragpg.reading.ocr import MAX_SIDE, Recogniser
from ragpg.reading.ocr_setting import ADVICE
from ragpg.reading.pdf_boxes import Box, Char, holds
from ragpg.reading.pdf_forms import read_fields, with_fields
from ragpg.reading.pdf_layout import PageLayout, layout_pages
from ragpg.reading.pdf_rules import read_edges, tables_of
from ragpg.reading.result import MAX_PAGES, Reading, join_pages

_GENERATED = frozenset(map(ord, " \r\n"))  # what PDFium adds between pieces of text
_SOFT_HYPHEN = 0xAD
_HYPHEN = 2  # what PDFium gives for a hyphen at a line's end, whose line end it leaves out
_ANGLES = 200  # characters of a page that are asked how they stand
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(r"bold|black|heavy|cmbx|-medi|demi")
_SCAN_LETTERS = 100  # a page of fewer, such as a stamp, that is a picture, is a scan
_SCAN_SHARE = 0.25  # of the page that is the picture
_SCAN_SCALE = 200 / 72  # pixels of a point
_LAM, _ALEFS = "\u0644", frozenset("\u0622\u0623\u0625\u0627")
_METADATA = {"Author": "author", "Subject": "subject", "Keywords": "keywords"}
_DATES = {"CreationDate": "created", "ModDate": "modified"}


def read_pdf(data: bytes, ocr: bool = False) -> Reading:
    """Returns a PDF's text in reading order; an encrypted or damaged one raises LoadError.

    The text of scanned pages is recognised where that is asked for; the metadata say which they
    are: `ocr_pages` those recognised, `scanned_pages` those left without their text.
    """
    document = _open(data)
    if document.get_formtype() != pdfium_c.FORMTYPE_NONE:
        document.init_forms()
    if len(document) > MAX_PAGES:
        raise LoadError(f"it has {len(document):,} pages, more than {MAX_PAGES:,}: split it")
    scans = _Scans(Recogniser() if ocr else None)
    pages = (_read_page(document, number, scans) for number in range(len(document)))
    texts, between = layout_pages(pages)
    if not any(texts):
        raise LoadError(
            "it holds no text, only images or drawings"
            + (", and none was recognised in them" if ocr else f": to have it recognised, {ADVICE}")
            + " (ocrmypdf is another way)"
        )
    content, starts = join_pages(texts, between)
    title, metadata = _metadata(document)
    return Reading(title, content, {**metadata, **scans.told()}, starts)


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
    wanted = {key: found.get(name, "") for name, key in _METADATA.items()}
    wanted |= {key: _day(found.get(name, "")) for name, key in _DATES.items()}
    metadata = {key: value for key, value in wanted.items() if value}
    title = found.get("Title", "")
    return title if _is_title(title) else "", {**metadata, "pages": len(document)}


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
    is_day = len(digits) == 8 and digits.isascii() and digits.isdigit()
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if is_day else ""


# Characters ------------------------------------------------------------------------------------


def _read_page(document: pypdfium2.PdfDocument, number: int, scans: _Scans) -> PageLayout:
    """Returns the page's characters in PDFium's order; a page that cannot be read is blank."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return PageLayout([], 0, 0)
    text = _upright(page)
    view = _View(page)
    seen = filter(view.shows, _chars(text, _Fonts(text)))
    chars = [char._replace(box=view.turned(char.box)) for char in seen]
    _order_ligatures(chars)
    fields = [(value, view.turned(box)) for value, box in read_fields(page)]
    chars = with_fields(chars, fields) if fields else chars
    tables = tables_of(map(view.turned, read_edges(page))) if chars else []
    layout = scans.read(page, PageLayout(chars, view.width, view.height, tables), number + 1)
    text.close()
    page.close()
    return layout


class _Scans:
    """The pages that are pictures of text, which is recognised where that is asked for."""

    def __init__(self, recogniser: Recogniser | None) -> None:
        self._recogniser = recogniser
        self._left: list[int] = []

    def read(self, page: pypdfium2.PdfPage, layout: PageLayout, number: int) -> PageLayout:
        """Returns what is on the page: what was recognised where that is more than its text."""
        letters = _letters(layout)
        if letters >= _SCAN_LETTERS or not _is_picture(page):
            return layout
        found = self._recognised(page, number) if self._recogniser else None
        if found is None:
            self._left.append(number)
        return layout if found is None or _letters(found) <= letters else found

    def _recognised(self, page: pypdfium2.PdfPage, number: int) -> PageLayout | None:
        assert self._recogniser is not None
        scale = min(_SCAN_SCALE, MAX_SIDE / max(*page.get_size(), 1))
        bitmap = page.render(scale=scale)
        pixels = bitmap.to_numpy()[..., :3].copy()
        bitmap.close()
        return self._recogniser.layout(pixels, number, scale)

    def told(self) -> dict[str, Any]:
        """Returns which pages were recognised, and which are left without their text."""
        recognised = self._recogniser.pages if self._recogniser else []
        found = {"ocr_pages": recognised, "scanned_pages": self._left}
        return {key: pages for key, pages in found.items() if pages}


def _letters(layout: PageLayout) -> int:
    return sum(not char.is_generated and not char.text.isspace() for char in layout.chars)


def _is_picture(page: pypdfium2.PdfPage) -> bool:
    width, height = page.get_size()
    if page.get_rotation() % 180:
        width, height = height, width
    covered = 0.0
    for image in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = image.get_bounds()
        wide, high = min(right, width) - max(left, 0), min(top, height) - max(bottom, 0)
        covered += max(wide, 0) * max(high, 0)
    return bool(covered >= _SCAN_SHARE * width * height)


def _upright(page: pypdfium2.PdfPage) -> pypdfium2.PdfTextPage:
    """Returns the page's text, the page turned so that most of it stands upright.

    Else PDFium takes the lines of a page that lies on its side from the last to the first.
    """
    text = page.get_textpage()
    count = text.count_chars()
    angles = (
        pdfium_c.FPDFText_GetCharAngle(text, index)
        for index in range(0, count, count // _ANGLES + 1)
        if pdfium_c.FPDFText_GetUnicode(text, index) not in _GENERATED
    )
    turns = Counter(-round(angle / math.pi * 2) * 90 % 360 for angle in angles if angle >= 0)
    turn, most = turns.most_common(1)[0] if turns else (page.get_rotation(), 0)
    if turn == page.get_rotation() or most < 0.8 * turns.total():
        return text
    text.close()
    page.set_rotation(turn)
    return page.get_textpage()


def _order_ligatures(chars: list[Char]) -> None:
    """Puts the letters of an Arabic ligature, which PDFium gives from left to right, in order."""
    for place in range(len(chars) - 1):
        first, second = chars[place], chars[place + 1]
        if second.text == _LAM and first.text in _ALEFS and first.box == second.box:
            chars[place : place + 2] = [second, first]


class _View:
    """Where things of a page are for its reader: from the top left, and turned as it says."""

    def __init__(self, page: pypdfium2.PdfPage) -> None:
        self.width, self.height = page.get_size()
        self._turn = page.get_rotation()
        self._crop = page.get_cropbox()
        self._left, self._bottom = self._crop[:2]
        # Some programs write a wrong MediaBox; that nothing be seen outside is a CropBox's meaning.
        self._is_cropped = self._crop != page.get_mediabox()

    def shows(self, char: Char) -> bool:
        """Returns whether the character, where it is in the file, is in what a reader sees."""
        return not self._is_cropped or char.is_generated or holds(self._crop, char.box)

    def turned(self, box: Box) -> Box:
        """Returns the box (left, bottom, right, top) as left, top, right, bottom."""
        width, height = self.width, self.height
        x0, x1 = box[0] - self._left, box[2] - self._left
        y0, y1 = box[1] - self._bottom, box[3] - self._bottom
        if self._turn == 90:
            x0, y0, x1, y1 = y0, height - x1, y1, height - x0
        elif self._turn == 180:
            x0, y0, x1, y1 = width - x1, height - y1, width - x0, height - y0
        elif self._turn == 270:
            x0, y0, x1, y1 = width - y1, x0, width - y0, x1
        return x0, height - y1, x1, height - y0


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
        generated = code in _GENERATED and pdfium_c.FPDFText_IsGenerated(text, index) == 1
        is_letter = 0 < code < 0xFFFE or 0xFFFF < code <= 0x10FFFF
        character = "-\n" if code == _HYPHEN else chr(code) if is_letter else ""
        if code == _SOFT_HYPHEN:
            is_last = pdfium_c.FPDFText_GetUnicode(text, index + 1) in (0x0D, 0x0A)
            character = "-" if is_last else ""
        bold = not generated and fonts.is_bold(index)
        yield Char(character, (box.left, box.bottom, box.right, box.top), generated, bold)
