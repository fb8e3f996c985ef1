"""Word, PowerPoint, Excel and OpenDocument files, written here, become Markdown."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import docx
from docx.oxml import OxmlElement
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ragpg.reading import media_types
from ragpg.reading.loading import LoadedDocument

from .office import load, saved, slides

# Word ------------------------------------------------------------------------------------------


def word(write: Callable[[Any], None]) -> LoadedDocument:
    document = docx.Document()
    write(document)
    return load(saved(document), "contract.docx")


def test_word_headings_lists_and_paragraphs() -> None:
    def write(document: Any) -> None:
        document.add_heading("The contract", 0)
        document.add_heading("Parties", 1)
        document.add_paragraph("Between us\nand you.")
        for text in ("one", "two"):
            document.add_paragraph(text, style="List Bullet")
        document.add_paragraph("below", style="List Bullet 2")
        for text in ("first", "second"):
            document.add_paragraph(text, style="List Number")
        document.add_heading("Deeper", 3)

    document = word(write)
    assert document.title == "The contract"
    assert document.content == (
        "# The contract\n\n# Parties\n\nBetween us\nand you.\n\n- one\n- two\n- below\n"
        "1. first\n2. second\n\n### Deeper"
    )
    assert document.page_starts == ()
    assert document.media_type == media_types.DOCX


def test_word_tables_repeat_what_spans_and_escape_pipes() -> None:
    def write(document: Any) -> None:
        table = document.add_table(3, 3)
        for row, texts in enumerate((("Plan", "Price", ""), ("Pro", "1|2", "a\nb"), ("", "x", ""))):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text
        table.cell(0, 1).merge(table.cell(0, 2))
        table.cell(1, 0).merge(table.cell(2, 0))

    assert word(write).content.split("\n") == [
        "| Plan | Price | Price |",
        "| --- | --- | --- |",
        "| Pro | 1\\|2 | a b |",
        "| Pro | x |  |",
    ]


def test_word_tracked_changes_are_accepted() -> None:
    def write(document: Any) -> None:
        paragraph = document.add_paragraph("It costs ")
        for tag, text_tag, text in (("w:del", "w:delText", "ten"), ("w:ins", "w:t", "twelve")):
            change, run, words = (OxmlElement(name) for name in (tag, "w:r", text_tag))
            words.text = text
            run.append(words)
            change.append(run)
            paragraph._p.append(change)

    assert word(write).content == "It costs twelve"


def test_word_formulas_are_latex() -> None:
    math = (
        '<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">'
        "<m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f>"
        "<m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup>"
        "</m:oMath>"
    )

    def write(document: Any) -> None:
        from lxml import etree

        document.add_paragraph("Then ")._p.append(etree.fromstring(math))

    assert word(write).content == r"Then $\frac{a}{b}x^{2}$"


def test_word_code_keeps_its_lines_and_indents() -> None:
    def write(document: Any) -> None:
        for line in ("def f(x):", "    return x"):
            run = document.add_paragraph().add_run(line)
            run.font.name = "Courier New"
        document.add_paragraph("Words.")

    assert word(write).content == "```\ndef f(x):\n    return x\n```\n\nWords."


def test_word_headings_have_the_numbers_word_shows() -> None:
    def write(document: Any) -> None:
        numbering = document.part.numbering_part.element
        level = (
            '<w:lvl xmlns:w="{0}" w:ilvl="{1}"><w:start w:val="1"/><w:numFmt w:val="{2}"/>'
            '<w:lvlText w:val="{3}"/></w:lvl>'
        )
        from lxml import etree

        w = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        abstract = etree.fromstring(
            f'<w:abstractNum xmlns:w="{w}" w:abstractNumId="77">'
            + level.format(w, 0, "upperRoman", "%1.")
            + level.format(w, 1, "lowerLetter", "%1.%2)")
            + "</w:abstractNum>"
        )
        numbering.insert(0, abstract)
        num = etree.fromstring(
            f'<w:num xmlns:w="{w}" w:numId="77"><w:abstractNumId w:val="77"/></w:num>'
        )
        numbering.append(num)
        for text, depth in (("A", 0), ("B", 1), ("C", 1), ("D", 0), ("E", 1)):
            heading = document.add_heading(text, depth + 1)
            properties = heading._p.get_or_add_pPr().get_or_add_numPr()
            properties.get_or_add_ilvl().val = depth
            properties.get_or_add_numId().val = 77

    assert [line for line in word(write).content.split("\n") if line] == [
        "# I. A",
        "## I.a) B",
        "## I.b) C",
        "# II. D",
        "## II.a) E",
    ]


def test_word_metadata() -> None:
    def write(document: Any) -> None:
        document.core_properties.author = "Ada"
        document.core_properties.title = "Terms"
        document.core_properties.created = datetime.datetime(2024, 5, 1)
        document.add_paragraph("Words.")

    document = word(write)
    assert document.title == "Terms"
    assert {key: document.metadata[key] for key in ("author", "created")} == {
        "author": "Ada",
        "created": "2024-05-01",
    }


def add_slide(presentation: Any, title: str, body: str = "", layout: int = 1) -> Any:
    slide = presentation.slides.add_slide(presentation.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    if body:
        slide.placeholders[1].text = body
    return slide


def test_slides_are_pages_with_notes() -> None:
    def write(presentation: Any) -> None:
        first = add_slide(presentation, "Welcome", "first point\nsecond point")
        first.notes_slide.notes_text_frame.text = "Say hello."
        add_slide(presentation, "", layout=6)
        add_slide(presentation, "The end", layout=5)

    document = slides(write)
    first = "# Welcome\n\n- first point\n- second point\n\nNotes:\n\nSay hello."
    assert document.content == f"{first}\n\n# The end"
    assert document.page_starts == (0, len(first) + 2, len(first) + 2)
    assert document.title == "Welcome"


def test_slides_with_tables_charts_and_groups() -> None:
    def write(presentation: Any) -> None:
        slide = add_slide(presentation, "Numbers", layout=5)
        table = slide.shapes.add_table(2, 2, 0, Inches(2), Inches(4), Inches(1)).table
        for place, text in enumerate(("Year", "Ducks", "2024", "180")):
            table.cell(place // 2, place % 2).text = text
        data: Any = CategoryChartData()  # type: ignore[no-untyped-call]
        data.categories = ["Q1", "Q2"]
        data.add_series("Sales", (1.5, 2))
        slide.shapes.add_chart(
            XL_CHART_TYPE.COLUMN_CLUSTERED, 0, Inches(4), Inches(4), Inches(3), data
        )
        group = slide.shapes.add_group_shape()
        group.shapes.add_textbox(0, Inches(8), Inches(2), Inches(1)).text_frame.text = "In a group"

    content = slides(write).content
    assert "| Year | Ducks |\n| --- | --- |\n| 2024 | 180 |" in content
    assert "|  | Sales |\n| --- | --- |\n| Q1 | 1.5 |\n| Q2 | 2 |" in content
    assert "In a group" in content
