"""A PowerPoint document to Markdown: a page per slide, with tables, charts and notes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from pptx import Presentation
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.exc import PackageNotFoundError

from ragpg.errors import LoadError
from ragpg.reading.charts import chart_texts
from ragpg.reading.result import (
    MAX_PAGES,
    Block,
    Reading,
    blocks_markdown,
    fill_span,
    join_pages,
    markdown_table,
)
from ragpg.reading.zip_package import ZipPackage, core_metadata

_FURNITURE = frozenset({PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER})
_BODIES = frozenset({PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT})
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MARKS = {"buNone": "", "buAutoNum": "1.", "buChar": "-"}
_GROUP_DEPTH = 20


def read_pptx(data: bytes) -> Reading:
    """Returns the slides in order; hidden ones too."""
    try:
        slides = list(Presentation(io.BytesIO(data)).slides)
    except (PackageNotFoundError, KeyError) as error:
        raise LoadError("it is a damaged PowerPoint document: save it again") from error
    if len(slides) > MAX_PAGES:
        raise LoadError(f"it has {len(slides):,} slides, more than {MAX_PAGES:,}: split it")
    content, starts = join_pages("\n\n".join(_slide(slide)) for slide in slides)
    title, metadata = core_metadata(ZipPackage(data))
    return Reading((slides and _title(slides[0])) or title, content, metadata, starts)


def _title(slide: Any) -> str:
    title = slide.shapes.title
    return " ".join(title.text_frame.text.split()) if title is not None else ""


def _slide(slide: Any) -> Iterator[str]:
    """Yields the slide's title, its shapes' texts in reading order and its notes."""
    title = slide.shapes.title
    if heading := _title(slide):
        yield f"# {heading}"
    for shape in sorted(slide.shapes, key=_place):
        if title is None or shape.shape_id != title.shape_id:
            yield from _shape(shape, 0)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        yield f"Notes:\n\n{blocks_markdown(_blocks(notes, False))}"


def _place(shape: Any) -> tuple[int, int]:
    """Returns where a shape is, in steps of half an inch down: neighbours are one row."""
    half_inch = 457_200
    return (shape.top or 0) // half_inch, shape.left or 0


def _shape(shape: Any, depth: int) -> Iterator[str]:
    if shape.is_placeholder and shape.placeholder_format.type in _FURNITURE:
        return
    if hasattr(shape, "shapes") and depth < _GROUP_DEPTH:
        for one in sorted(shape.shapes, key=_place):
            yield from _shape(one, depth + 1)
    elif getattr(shape, "has_table", False):
        yield markdown_table(_table(shape.table))
    elif getattr(shape, "has_chart", False):
        yield from chart_texts(shape.chart._chartSpace)
    elif shape.has_text_frame and shape.text_frame.text.strip():
        is_body = shape.is_placeholder and shape.placeholder_format.type in _BODIES
        yield blocks_markdown(_blocks(shape.text_frame, is_body))


def _blocks(frame: Any, is_body: bool) -> Iterator[Block]:
    """Yields the paragraphs of a frame, those with a mark as items."""
    number = 0
    for paragraph in frame.paragraphs:
        text = " ".join(paragraph.text.split())
        if text:
            mark = _mark(paragraph, is_body)
            number = number + 1 if mark == "1." else 0
            item = f"{number}. {text}" if number else f"- {text}"
            yield Block(item, "item", paragraph.level) if mark else Block(text)


def _mark(paragraph: Any, is_body: bool) -> str:
    """Returns "-", "1." or nothing, as the paragraph says or as its kind of shape has it."""
    properties = paragraph._p.find(f"{_A}pPr")
    for name, mark in _MARKS.items() if properties is not None else ():
        if properties.find(_A + name) is not None:
            return mark
    return "-" if is_body or paragraph.level else ""


def _table(table: Any) -> list[list[str]]:
    """Returns the texts; a cell that spans several places is in each of them."""
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    for top, row in enumerate(table.rows):
        for left, cell in enumerate(row.cells):
            if cell.is_merge_origin:
                fill_span(rows, top, left, cell.span_height, cell.span_width, cell.text)
    return rows
