"""Slides, written here, become Markdown; broken files of Office are refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, media_types

from .office_files import load, packed, saved, workbook

# PowerPoint -------------------------------------------------------------------------------------


def slides(write: Callable[[Any], None]) -> LoadedDocument:
    presentation = pptx.Presentation()
    write(presentation)
    return load(saved(presentation), "talk.pptx")


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


# What cannot be read ----------------------------------------------------------------------------


def ole(stream: str) -> bytes:
    """The head of an old Office file with the name of one stream in its directory."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + stream.encode("utf-16-le") + bytes(64)


def bomb() -> bytes:
    return packed({"[Content_Types].xml": "x", "word/document.xml": bytes(80 * 2**20)})


def zip_with_false_size() -> bytes:
    """A zip whose directory says that its part is 2 GiB."""
    data = packed({"[Content_Types].xml": "x", "word/document.xml": "<a/>"})
    place = data.rindex(b"PK\x01\x02")
    return data[: place + 24] + struct.pack("<I", 2**31) + data[place + 28 :]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.docx", ole("EncryptedPackage"), "encrypted with a password: save it without"),
        ("a.docx", ole("WordDocument"), r"old Word document \(.doc\): save it as .docx"),
        ("a.pptx", ole("PowerPoint Document"), r"\(.ppt\): save it as .pptx"),
        ("a.xlsx", ole("nothing known"), "old Office document of an unknown kind"),
        ("a.xls", ole("Workbook"), "damaged workbook"),
        ("a.docx", b"", "named as .docx but is empty"),
        ("a.docx", b"PK\x03\x04 and no more", "damaged zip archive"),
        ("a.docx", packed({"notes.txt": "x"}), "a zip archive: unpack it"),
        ("a.docx", packed({"inner.zip": packed({"a": "b"})}), "a zip archive: unpack it"),
        ("a.docx", packed({"[Content_Types].xml": "x", "word/document.xml": "no xml"}), "malformed XML"),
        ("a.docx", packed({"[Content_Types].xml": "x", "word/styles.xml": "<a/>"}), "no part word/document.xml"),
        ("a.docx", bomb(), "a zip bomb"),
        ("a.docx", zip_with_false_size(), "unpacks to .* split it"),
        ("a.pptx", packed({"[Content_Types].xml": "x", "ppt/presentation.xml": "<a/>"}), "damaged"),
        ("a.xlsx", packed({"[Content_Types].xml": "x", "xl/workbook.xml": "<a/>"}), "no text|damaged"),
        ("a.docx", b"\x1f\x8b\x08", "a gzip archive: unpack it"),
    ],
)  # fmt: skip
def test_broken_ones_are_refused_with_the_file_and_a_reason(
    name: str, data: bytes, reason: str
) -> None:
    with pytest.raises(LoadError, match=f"^{name}.*(?:{reason})"):
        load(data, name)


def test_what_is_named_wrongly_is_read_as_what_it_is() -> None:
    sheet = workbook(S=[["a", "b"]])
    for name in ("a.docx", "a.pdf", "a.txt", "a.csv"):
        assert load(sheet, name).media_type == media_types.XLSX
    page = load(b"<!DOCTYPE html><html><title>Log in</title><p>Please.", "a.pdf")
    assert (page.media_type, page.title) == ("text/html", "Log in")


def test_entities_of_xml_are_neither_expanded_nor_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    document = (
        f'<!DOCTYPE d [<!ENTITY l0 "ha">{laughs}<!ENTITY s SYSTEM "{secret.as_uri()}">]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:body><w:p><w:r><w:t>Words &s; and &l9; more</w:t></w:r></w:p></w:body></w:document>"
    )
    data = packed({"[Content_Types].xml": "x", "word/document.xml": document})
    loaded = load(data, "a.docx")
    assert "SECRET" not in loaded.content and "haha" not in loaded.content


def test_what_is_nested_a_thousand_deep_is_read_or_refused() -> None:
    inner = "<w:tbl><w:tr><w:tc>" * 1000 + "<w:p><w:r><w:t>deep</w:t></w:r></w:p>"
    document = (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{inner}{'</w:tc></w:tr></w:tbl>' * 1000}</w:body></w:document>"
    )
    try:
        found = load(packed({"[Content_Types].xml": "x", "word/document.xml": document}), "a.docx")
    except LoadError as error:
        assert "nested" in str(error)
    else:
        assert "deep" in found.content
