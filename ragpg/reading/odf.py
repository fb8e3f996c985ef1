"""An OpenDocument text or presentation (.odt, .odp) to Markdown, without its hidden text."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ragpg.reading.result import (
    Block,
    Reading,
    blocks_markdown,
    cell_text,
    fill_span,
    join_pages,
    markdown_table,
    told_hidden,
)
from ragpg.reading.zip_package import ZipPackage, described

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_SKIPPED = {f"{TEXT}tracked-changes", f"{OFFICE}annotation", f"{TEXT}note-citation"}
_METADATA = {"creator": "author", "subject": "subject", "creation-date": "created"}
_REPEATED = 100  # cells that say they are repeated more often are blank space


def read_odf(data: bytes) -> Reading:
    """Returns the text as Markdown, or each slide of a presentation as a page."""
    package = ZipPackage(data)
    root = package.xml("content.xml")
    styles = package.xml_or_none("styles.xml")
    hidden = _drop_hidden(root, {*_hidden_styles(root), *_hidden_styles(styles)})
    reader = _Reader(_numbered_lists(root, styles), _parents(root))
    slides = list(root.iter(f"{_DRAW}page"))
    pages = (blocks_markdown(reader.blocks(slide)) for slide in slides)
    content, starts = join_pages(pages)
    if not slides:
        body = root.find(f".//{OFFICE}text")
        content = blocks_markdown(reader.blocks(body if body is not None else root))
    title, metadata = described(package.xml_or_none("meta.xml"), _METADATA)
    told = told_hidden(metadata, hidden, content)
    return Reading(reader.title or title, content, told, starts)


def _numbered_lists(*roots: etree._Element | None) -> set[str]:
    """Returns the names of the list styles whose first level has numbers."""
    return {
        style.get(f"{STYLE}name", "")
        for root in roots
        if root is not None
        for style in root.iter(f"{TEXT}list-style")
        if len(style) and style[0].tag == f"{TEXT}list-level-style-number"
    }


def _parents(root: etree._Element) -> dict[str, str]:
    """Returns what the styles made for single paragraphs are based on."""
    return {
        style.get(f"{STYLE}name", ""): parent
        for style in root.iter(f"{STYLE}style")
        if style.get(f"{STYLE}family") == "paragraph"
        and (parent := style.get(f"{STYLE}parent-style-name"))
    }


def _hidden_styles(root: etree._Element | None) -> Iterator[str]:
    """Yields the names of the styles of hidden text."""
    for style in root.iter(f"{STYLE}style") if root is not None else ():
        properties = style.find(f"{STYLE}text-properties")
        if properties is not None and properties.get(f"{TEXT}display") == "none":
            yield style.get(f"{STYLE}name", "")


def _drop_hidden(root: etree._Element, styles: set[str]) -> int:
    """Empties the hidden sections, paragraphs and parts of them; returns their characters."""
    characters = 0
    for element in reversed(list(root.iter(f"{TEXT}*"))):
        is_hidden = element.get(f"{TEXT}is-hidden") == "true"
        is_hidden = is_hidden or element.get(f"{TEXT}style-name", "") in styles
        if is_hidden or element.get(f"{TEXT}display") == "none":
            is_mark = element.tag == f"{TEXT}hidden-paragraph"
            gone = element.getparent() if is_mark else element
            if gone is not None:
                characters += sum(map(len, gone.itertext()))
                tail = gone.tail
                gone.clear()
                gone.tail = tail
    return characters


class _Reader:
    def __init__(self, numbered: set[str], parents: dict[str, str]) -> None:
        self._numbered = numbered
        self._parents = parents
        self.title = ""

    def blocks(self, parent: etree._Element) -> Iterator[Block]:
        for element in parent:
            if element.tag in (f"{TEXT}h", f"{TEXT}p"):
                yield from self._paragraph(element)
            elif element.tag == f"{TEXT}list":
                yield from self._items(element, 0, "")
            elif element.tag == f"{TABLE}table":
                if text := markdown_table(self._rows(element)):
                    yield Block(text, "table")
            elif element.tag == f"{_PRESENTATION}notes":
                notes = [one for one in self.blocks(element) if one.text.strip("<number> ")]
                yield from [Block("Notes:"), *notes] if notes else []
            elif isinstance(element.tag, str) and element.tag not in _SKIPPED:
                is_title = element.get(f"{_PRESENTATION}class") == "title"
                for block in self.blocks(element):
                    yield Block(f"# {block.text}", "heading") if is_title else block

    def _paragraph(self, element: etree._Element) -> Iterator[Block]:
        boxes: list[etree._Element] = []
        text = " ".join("".join(pieces(element, boxes)).split())
        style = element.get(f"{TEXT}style-name", "")
        style = self._parents.get(style, style)
        if text and element.tag == f"{TEXT}h":
            level = element.get(f"{TEXT}outline-level", "1")
            depth = min(int(level), 6) if level.isdigit() and len(level) < 3 else 1
            yield Block(f"{'#' * max(1, depth)} {text}", "heading")
        elif text and style == "Title":
            self.title = self.title or text
            yield Block(f"# {text}", "heading")
        elif text:
            yield Block(text)
        for box in boxes:
            yield from self.blocks(box)

    def _items(self, element: etree._Element, depth: int, style: str) -> Iterator[Block]:
        style = element.get(f"{TEXT}style-name", style)
        items = element.iterchildren(f"{TEXT}list-item", f"{TEXT}list-header")
        for number, item in enumerate(items, 1):
            mark = f"{number}. " if style in self._numbered else "- "
            for child in item:
                if child.tag == f"{TEXT}list" and depth < 20:
                    yield from self._items(child, depth + 1, style)
                    continue
                for one in self._paragraph(child):
                    is_heading = one.kind == "heading"
                    yield one if is_heading else Block(mark + one.text, "item", depth)

    def _rows(self, table: etree._Element) -> list[list[str]]:
        """Returns the texts; a cell that spans several places is in each of them."""
        rows: list[list[str]] = []
        spans: list[tuple[int, int, int, int, str]] = []
        for row in _table_rows(table):
            texts: list[str] = []
            for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
                text = cell_text(list(self.blocks(cell)))
                down, right = _count(cell, "rows-spanned"), _count(cell, "columns-spanned")
                if text and down * right > 1:
                    spans.append((len(rows), len(texts), down, right, text))
                texts += [text] * _count(cell, "columns-repeated")
            rows.append(texts)
        for span in spans:
            fill_span(rows, *span)
        return rows


def _table_rows(table: etree._Element) -> Iterator[etree._Element]:
    """Yields the rows, not those of tables within cells."""
    for element in table:
        if element.tag == f"{TABLE}table-row":
            yield element
        elif isinstance(element.tag, str) and element.tag.startswith(f"{TABLE}table-"):
            yield from _table_rows(element)


def _count(cell: etree._Element, name: str) -> int:
    count = cell.get(f"{TABLE}number-{name}", "1")
    return min(int(count) if count.isdigit() and len(count) < 4 else _REPEATED, _REPEATED)


def pieces(parent: etree._Element, boxes: list[etree._Element]) -> Iterator[str]:
    """Yields the texts of a paragraph; the text boxes within it are put aside."""
    yield parent.text or ""
    for element in parent:
        if element.tag in (f"{TEXT}s", f"{TEXT}tab", f"{TEXT}line-break"):
            yield " "
        elif element.tag == f"{_DRAW}text-box":
            boxes.append(element)
        elif isinstance(element.tag, str) and element.tag not in _SKIPPED:
            yield from pieces(element, boxes)
        yield element.tail or ""
