"""Word and OpenDocument files, written here, become Markdown."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, media_types

from .office_files import load, packed, saved


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


def test_word_is_read_although_its_metadata_are_malformed() -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = f"<w:document {space}><w:body><w:p><w:r><w:t>Words.</w:t></w:r></w:p>"
    core = "<c><dc:title>No such prefix</dc:title><creator>Ada</creator>"
    parts = {"[Content_Types].xml": "x", "word/document.xml": body, "docProps/core.xml": core}
    document = load(packed(dict(parts)), "a.docx")
    assert (document.content, document.metadata) == ("Words.", {"author": "Ada"})


# What is hidden ---------------------------------------------------------------------------------


def test_hidden_words_are_left_out_and_told() -> None:
    def write(document: Any) -> None:
        paragraph = document.add_paragraph("Refunds ")
        paragraph.add_run("internal: 3 ").font.hidden = True
        paragraph.add_run("take five days.")
        # Hidden are the marks of paragraphs, too: their words are not.
        mark = OxmlElement("w:rPr")
        mark.append(OxmlElement("w:vanish"))
        paragraph._p.get_or_add_pPr().append(mark)
        document.add_paragraph().add_run("A whole line.").font.hidden = True

    document = word(write)
    assert document.content == "Refunds take five days."
    assert document.metadata["hidden_characters"] == len("internal: 3 A whole line.")


def test_words_hidden_by_a_style_are_left_out_unless_they_say_otherwise() -> None:
    def write(document: Any) -> None:
        for name, kind in (("Secret", WD_STYLE_TYPE.PARAGRAPH), ("Inner", WD_STYLE_TYPE.CHARACTER)):
            document.styles.add_style(name, kind).font.hidden = True
        document.styles.add_style("Below", WD_STYLE_TYPE.PARAGRAPH).base_style = document.styles[
            "Secret"
        ]
        paragraph = document.add_paragraph("gone ", style="Below")
        paragraph.add_run("shown").font.hidden = False
        document.add_paragraph("Words.").add_run(" gone", style="Inner")

    document = word(write)
    assert document.content == "shown\n\nWords."
    assert document.metadata["hidden_characters"] == 10


def test_a_row_of_hidden_words_is_no_row() -> None:
    def write(document: Any) -> None:
        table = document.add_table(3, 2)
        for place, text in enumerate(("Plan", "Price", "Old", "7", "Pro", "20")):
            run = table.cell(place // 2, place % 2).paragraphs[0].add_run(text)
            run.font.hidden = True if place in (2, 3) else None
        table.rows[1]._tr.get_or_add_trPr().append(OxmlElement("w:hidden"))

    assert word(write).content == "| Plan | Price |\n| --- | --- |\n| Pro | 20 |"


def test_a_document_of_hidden_words_alone_says_so() -> None:
    def write(document: Any) -> None:
        document.add_paragraph().add_run("Words.").font.hidden = True

    with pytest.raises(LoadError, match=r"contract.docx: all that it holds is hidden: show it"):
        word(write)


# OpenDocument -----------------------------------------------------------------------------------

ODF_NAMES = (
    " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "style", "presentation")
    )
    + ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
)


def odf(body: str, kind: str) -> LoadedDocument:
    content = f"<office:document-content {ODF_NAMES}><office:body>{body}</office:body></office:document-content>"
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    suffix = {"text": "odt", "presentation": "odp"}[kind]
    return load(packed({"mimetype": mimetype, "content.xml": content}), f"file.{suffix}")


def test_open_document_text() -> None:
    document = odf(
        "<office:text><text:p text:style-name='Title'>Terms</text:p>"
        "<text:h text:outline-level='2'>Money</text:h><text:p>Paid<text:s/>back.</text:p>"
        "<text:list><text:list-item><text:p>one</text:p></text:list-item>"
        "<text:list-item><text:p>two</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell table:number-columns-spanned='2'>"
        "<text:p>Both</text:p></table:table-cell><table:covered-table-cell/></table:table-row>"
        "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell>"
        "<text:p>b</text:p></table:table-cell></table:table-row></table:table></office:text>",
        "text",
    )
    assert document.title == "Terms"
    assert document.content == (
        "# Terms\n\n## Money\n\nPaid back.\n\n- one\n- two\n\n"
        "| Both | Both |\n| --- | --- |\n| a | b |"
    )


def test_open_document_slides_are_pages() -> None:
    page = "<draw:page><draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame></draw:page>"
    slides = "".join(map(page.format, ("One", "", "Three")))
    document = odf(f"<office:presentation>{slides}</office:presentation>", "presentation")
    assert (document.content, document.page_starts) == ("One\n\nThree", (0, 5, 5))


def test_hidden_words_of_an_open_document_text_are_left_out_and_told() -> None:
    style = "<style:style style:name='h' style:family='text'><style:text-properties text:display='none'/></style:style>"
    document = odf(
        f"<office:automatic-styles>{style}</office:automatic-styles><office:text>"
        "<text:p>Refunds <text:span text:style-name='h'>gone</text:span>take five days.</text:p>"
        "<text:p><text:hidden-paragraph text:is-hidden='true'/>gone</text:p>"
        "<text:p>In<text:hidden-text text:is-hidden='true'>gone</text:hidden-text> all.</text:p>"
        "<text:section text:display='none'><text:p>gone</text:p></text:section></office:text>",
        "text",
    )
    assert document.content == "Refunds take five days.\n\nIn all."
    assert document.metadata == {"hidden_characters": 16}
