"""What was filled into a PDF's form, as characters beside the words that ask for it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium_c

from ragpg.reading.pdf_boxes import Box, Char

_TEXTS = (
    pdfium_c.FPDF_FORMFIELD_TEXTFIELD,
    pdfium_c.FPDF_FORMFIELD_COMBOBOX,
    pdfium_c.FPDF_FORMFIELD_LISTBOX,
)
_BOXES = (pdfium_c.FPDF_FORMFIELD_CHECKBOX, pdfium_c.FPDF_FORMFIELD_RADIOBUTTON)
_TICKED = "[x]"
_PASSWORD = 1 << 13  # ISO 32000-1, table 228
_UNSEEN = pdfium_c.FPDF_ANNOT_FLAG_HIDDEN | pdfium_c.FPDF_ANNOT_FLAG_NOVIEW
Field = tuple[str, Box]


def read_fields(page: pypdfium2.PdfPage) -> Iterator[Field]:
    """Yields what the fields of the page hold, and where: left, bottom, right, top."""
    if page.formenv is None:
        return
    for index in range(pdfium_c.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
        value = _value(page.formenv, annotation)
        box = pdfium_c.FS_RECTF()
        if value and pdfium_c.FPDFAnnot_GetRect(annotation, ctypes.byref(box)):
            yield value, (box.left, box.bottom, box.right, box.top)
        pdfium_c.FPDFPage_CloseAnnot(annotation)


def _value(form: Any, annotation: Any) -> str:
    kind = pdfium_c.FPDFAnnot_GetFormFieldType(form, annotation)
    if pdfium_c.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
        return ""
    if kind in _BOXES:
        return _TICKED if pdfium_c.FPDFAnnot_IsChecked(form, annotation) else ""
    if kind not in _TEXTS or pdfium_c.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD:
        return ""
    length = pdfium_c.FPDFAnnot_GetFormFieldValue(form, annotation, None, 0)
    buffer = ctypes.create_string_buffer(length)
    pointer = ctypes.cast(buffer, ctypes.POINTER(pdfium_c.FPDF_WCHAR))
    pdfium_c.FPDFAnnot_GetFormFieldValue(form, annotation, pointer, length)
    return " ".join(buffer.raw.decode("utf-16-le", "replace").replace("\0", "").split())


def with_fields(chars: list[Char], fields: list[Field]) -> list[Char]:
    """Returns the characters with those of the fields, whose boxes are left, top, right, bottom.

    A value follows the nearest words on its left; without any it comes before those on its right.
    """
    after: dict[int, list[Char]] = {}
    before: dict[int, list[Char]] = {}
    alone: list[Char] = []
    for value, box in fields:
        left = _nearest(chars, box, 1)
        right = _nearest(chars, box, -1)
        if left is not None and not (value == _TICKED and right is not None):
            after.setdefault(left, []).extend(_typed(f" {value}", box, chars[left].box))
        elif right is not None:
            before.setdefault(right, []).extend(_typed(f"{value} ", box, chars[right].box))
        else:
            alone += [Char("\n", box, True, False), *_typed(value, box, box)]
    placed = (
        [*before.get(place, ()), char, *after.get(place, ())] for place, char in enumerate(chars)
    )
    return [char for group in placed for char in group] + alone


def _nearest(chars: list[Char], box: Box, side: int) -> int | None:
    """Returns the place of the nearest character of the field's row; side 1 is on its left."""
    height = box[3] - box[1]
    near = []
    for place, char in enumerate(chars):
        left, top, right, bottom = char.box
        distance = box[0] - right if side == 1 else left - box[2]
        in_row = box[1] - height / 4 <= (top + bottom) / 2 <= box[3] + height / 4
        if in_row and distance > -height / 2 and not char.is_generated:
            near.append((distance, place))
    return min(near)[1] if near else None


def _typed(text: str, box: Box, beside: Box) -> Iterator[Char]:
    """Yields the letters, of the height of those beside: a field is higher than its text."""
    width = (box[2] - box[0]) / len(text)
    for place, letter in enumerate(text):
        left = box[0] + place * width
        yield Char(letter, (left, beside[1], left + width, beside[3]), letter == " ", False)
