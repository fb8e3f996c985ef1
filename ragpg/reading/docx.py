"""A Word document to Markdown: headings, numbered lists, tables, notes, text boxes, formulas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from ragpg.reading.charts import chart_texts
from ragpg.reading.docx_math import math_text
from ragpg.reading.docx_numbering import Numbering
from ragpg.reading.docx_styles import MATH, Style, Styles, W, value, whole
from ragpg.reading.result import (
    Block,
    Reading,
    blocks_markdown,
    cell_text,
    markdown_table,
    told_hidden,
)
from ragpg.reading.zip_package import ZipPackage, core_metadata

_ALTERNATIVE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}chart"
_MONOSPACED = re.compile(r"courier|consolas|menlo|monaco|mono\b|lucida console", re.IGNORECASE)
_CODE_SIGNS = re.compile(r"[{}();=<>\[\]_]|^ {2}")
_SKIPPED = {f"{W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr")}
_CHARACTERS = {f"{W}tab": " ", f"{W}noBreakHyphen": "\u2011", f"{W}cr": "\n", f"{W}ptab": " "}
_NOTES = {f"{W}footnoteReference": "footnotes", f"{W}endnoteReference": "endnotes"}
# A table this deep inside others is given as words: rows within rows are no table any more.
_TABLE_DEPTH = 20


def read_docx(data: bytes) -> Reading:
    """Returns the document as Markdown, tracked insertions in, deletions and hidden text out."""
    package = ZipPackage(data)
    main = package.main("officeDocument", "word/document.xml")
    folder = main.rpartition("/")[0]
    reader = _Reader(
        Styles(package.xml_or_none(f"{folder}/styles.xml")),
        Numbering(package.xml_or_none(f"{folder}/numbering.xml")),
        _charts(package, main),
    )
    blocks = [*reader.blocks(package.xml(main)), *reader.notes(package, folder)]
    title, metadata = core_metadata(package)
    content = blocks_markdown(blocks)
    return Reading(reader.title or title, content, told_hidden(metadata, reader.hidden, content))


def _charts(package: ZipPackage, main: str) -> dict[str, etree._Element]:
    """Returns the charts of the document by the id it refers to them with."""
    found = {one: package.xml_or_none(part) for one, part in package.related("chart", main)}
    return {one: chart for one, chart in found.items() if chart is not None}


@dataclass(slots=True)
class _Reader:
    """Walks a document's body."""

    styles: Styles
    numbering: Numbering
    charts: dict[str, etree._Element]
    title: str = ""
    hidden: int = 0
    """Characters of hidden text, which is left out."""
    note_ids: list[tuple[str, str]] = field(default_factory=list)
    _style: Style = field(default_factory=Style)
    _boxes: list[etree._Element] = field(default_factory=list)
    _charts: list[etree._Element] = field(default_factory=list)
    _is_after_code: bool = False
    _depth: int = 0

    def blocks(self, parent: etree._Element) -> Iterator[Block]:
        """Yields the blocks below an element that holds paragraphs and tables."""
        for element in parent:
            if element.tag == f"{W}p":
                yield from self._paragraph(element)
            elif element.tag == f"{W}tbl":
                yield from self._table(element)
            elif element.tag == _ALTERNATIVE:
                yield from self.blocks(element[0])
            elif isinstance(element.tag, str) and element.tag not in _SKIPPED:
                yield from self.blocks(element)

    # Paragraphs

    def _paragraph(self, element: etree._Element) -> Iterator[Block]:
        self._boxes, outer = [], self._boxes
        self._style = style = self.styles.of(element)
        text = self._text(element)
        boxes, self._boxes = self._boxes, outer
        is_code = style.is_code or self._looks_like_code(element, text)
        self._is_after_code = is_code and bool(text.strip())
        if self._is_after_code:
            yield Block(text.strip("\n"), "code")
        elif text.strip():
            yield self._worded(element, "\n".join(" ".join(x.split()) for x in text.split("\n")))
        for box in boxes:
            yield from self.blocks(box)
        charts, self._charts = self._charts, []
        for chart in charts:
            yield from (Block(one) for one in chart_texts(chart))

    def _looks_like_code(self, element: etree._Element, text: str) -> bool:
        """Returns whether all of it is set in a typewriter's font and it has signs of code."""
        runs = [run for run in element.iter(f"{W}r") if run.find(f"{W}t") is not None]
        fonts = [run.find(f"{W}rPr/{W}rFonts") for run in runs]
        names = [font.get(f"{W}ascii", "") if font is not None else "" for font in fonts]
        if not names or not all(map(_MONOSPACED.search, names)):
            return False
        return self._is_after_code or _CODE_SIGNS.search(text) is not None

    def _worded(self, element: etree._Element, text: str) -> Block:
        style = self.styles.of(element)
        text = text.strip()
        label = self.numbering.label(style.num_id, style.num_level)
        if style.heading:
            if style.is_title and not self.title:
                self.title = text
            number = f"{label.text} " if label and not label.is_bullet else ""
            heading = " ".join(f"{number}{text}".split())
            return Block(f"{'#' * style.heading} {heading}", "heading")
        if label is None:
            return Block(text)
        is_plain = label.text.rstrip(".").isdigit() and label.text.endswith(".")
        mark = "- " if label.is_bullet else f"{label.text} " if is_plain else f"- {label.text} "
        return Block(mark + text, "item", style.num_level)

    def _text(self, parent: etree._Element) -> str:
        return "".join(self._pieces(parent))

    def _pieces(self, parent: etree._Element) -> Iterator[str]:
        for element in parent:
            tag = element.tag
            if tag in _SKIPPED or not isinstance(tag, str):
                continue
            if tag == f"{W}r" and self.styles.is_hidden(element, self._style):
                self.hidden += sum(len(one.text or "") for one in element.iter(f"{W}t"))
            elif tag == f"{W}t":
                yield element.text or ""
            elif tag == f"{W}br":
                yield "\n" if element.get(f"{W}type") in (None, "textWrapping") else ""
            elif tag in _CHARACTERS:
                yield _CHARACTERS[tag]
            elif tag in _NOTES:
                yield self._note_mark(_NOTES[tag], element.get(f"{W}id", ""))
            elif tag in (f"{MATH}oMath", f"{MATH}oMathPara"):
                formula = math_text(element).strip()
                yield f"${formula}$" if formula else ""
            elif tag == f"{W}txbxContent":
                self._boxes.append(element)
            elif tag == _CHART and element.get(_RELATION, "") in self.charts:
                self._charts.append(self.charts[element.get(_RELATION, "")])
            elif tag == _ALTERNATIVE:
                yield from self._pieces(element[0])
            elif tag == f"{W}checkBox" or tag.endswith("}checkbox"):
                continue
            else:
                yield from self._pieces(element)

    def _note_mark(self, kind: str, note_id: str) -> str:
        if (kind, note_id) not in self.note_ids:
            self.note_ids.append((kind, note_id))
        return f"[^{self.note_ids.index((kind, note_id)) + 1}]"

    def notes(self, package: ZipPackage, folder: str) -> Iterator[Block]:
        """Yields the footnotes and endnotes the text refers to, in that order."""
        roots = {kind: package.xml_or_none(f"{folder}/{kind}.xml") for kind in _NOTES.values()}
        for number, (kind, note_id) in enumerate(self.note_ids, 1):  # notes may refer to notes
            root = roots[kind]
            for note in root if root is not None else ():
                if note.get(f"{W}id") == note_id:
                    words = " ".join(self._text(note).split())
                    yield Block(f"[^{number}]: {words}")

    # Tables

    def _table(self, element: etree._Element) -> Iterator[Block]:
        rows = list(_children(element, "tr"))
        if len(rows) == 1 and len(list(_children(rows[0], "tc"))) == 1:
            yield from self.blocks(rows[0])  # a frame around text
            return
        if text := markdown_table(self._rows(rows)):
            yield Block(text, "table")

    def _rows(self, rows: list[etree._Element]) -> list[list[str]]:
        """Returns the texts; a cell that spans several places is in each of them."""
        table: list[list[str]] = []
        for row in rows:
            texts = [""] * whole(value(row, "trPr/gridBefore"), 0, 3)
            for cell in _children(row, "tc"):
                goes_on = value(cell, "tcPr/vMerge", "restart") != "restart"
                above = table[-1] if table else []
                place = len(texts)
                text = above[place] if goes_on and place < len(above) else self._cell(cell)
                texts += [text] * min(whole(value(cell, "tcPr/gridSpan"), 1, 3), 100)
            if any(texts) or row.find(f"{W}trPr/{W}hidden") is None:
                table.append(texts)
        return table

    def _cell(self, cell: etree._Element) -> str:
        self._depth += 1
        is_deep = self._depth > _TABLE_DEPTH
        text = self._text(cell) if is_deep else cell_text(list(self.blocks(cell)))
        self._depth -= 1
        return text


def _children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    """Yields the children of that name, those in content controls and insertions too."""
    for element in parent:
        if element.tag == f"{W}{name}":
            yield element
        elif element.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}customXml"):
            yield from _children(element, name)
