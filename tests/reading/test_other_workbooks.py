"""Binary and OpenDocument workbooks, written here byte by byte, become Markdown."""

from __future__ import annotations

import datetime
import struct
from typing import Any

import pytest

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument
from ragpg.reading.spreadsheet import cell_text

from .office_files import load, packed

# Binary workbooks -------------------------------------------------------------------------------


def record(kind: int, data: bytes = b"") -> bytes:
    """A record of a .xlsb ([MS-XLSB] 2.1.4)."""
    head = b""
    for number in (kind, len(data)):
        while number > 127:
            head, number = head + bytes([number & 127 | 128]), number >> 7
        head += bytes([number])
    return head + data


def xlsb(*cells: tuple[int, int, str], state: int = 0) -> bytes:
    def text(words: str) -> bytes:
        return struct.pack("<I", len(words)) + words.encode("utf-16-le")

    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    related = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="a" Type="{office}/{{}}" Target="{{}}"/></Relationships>'
    )
    other = record(156, struct.pack("<II", 0, 1) + text("a") + text("Shown"))
    one = record(156, struct.pack("<II", state, 2) + text("a") + text("Sheet"))
    rows = (
        record(0, struct.pack("<I", row) + bytes(13))
        + record(6, struct.pack("<II", column, 0) + text(words))
        for row, column, words in cells
    )
    return packed(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": related.format("officeDocument", "xl/workbook.bin"),
            "xl/_rels/workbook.bin.rels": related.format("worksheet", "worksheets/sheet1.bin"),
            "xl/workbook.bin": record(131) + record(143) + one + (other if state else b"") + record(144) + record(132),
            "xl/worksheets/sheet1.bin": record(129) + record(148, bytes(16)) + record(145)
            + b"".join(rows) + record(146) + record(130),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.4000000000000004, "4.4"),
        (3.0, "3"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (4111111111111111.0, "4111111111111111"),
        (True, "TRUE"),
        (None, ""),
        (datetime.datetime(2024, 5, 1, 9, 30), "2024-05-01 09:30:00"),
        (datetime.datetime(2024, 5, 1), "2024-05-01"),
        (datetime.time(9, 30), "09:30:00"),
        (datetime.timedelta(hours=30), "30:00:00"),
    ],
)
def test_cell_text(value: Any, text: str) -> None:
    assert cell_text(value) == text


def test_a_binary_workbook_is_read_without_its_hidden_sheet() -> None:
    document = load(xlsb((0, 0, "five"), (1, 0, "days")), "a.xlsb")
    assert document.content == "## Sheet\n\n| five |\n| --- |\n| days |"
    document = load(xlsb((0, 0, "five"), state=1), "a.xlsb")
    assert document.content == "## Shown\n\nfive"
    assert document.metadata == {"sheets": ["Shown"], "hidden_sheets": ["Sheet"]}


def test_a_binary_workbook_with_a_cell_far_out_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(
        LoadError, match=r"a.xlsb: .* over 1,048,576 rows and 16,384 columns: delete"
    ):
        load(xlsb((0, 0, "five"), (2**20 - 1, 2**14 - 1, "stray")), "a.xlsb")
    far = load(xlsb((0, 0, "five"), (2**20 - 1, 1, "stray")), "a.xlsb")
    assert far.content == "## Sheet\n\nfive\n\nstray"


# OpenDocument -----------------------------------------------------------------------------------


def ods(rows: str, styles: str = "") -> LoadedDocument:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "style")
    )
    content = (
        f"<office:document-content {spaces}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body><office:spreadsheet>{rows}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"
    return load(packed({"mimetype": mimetype, "content.xml": content}), "book.ods")


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def test_an_open_document_sheet_is_as_shown() -> None:
    kind = "office:value-type='{}' office:{}='{}'".format
    document = ods(
        "<table:table table:name='S'><table:table-header-rows>"
        + row(cell("Share"), cell("Price"), cell("Day"), cell("Long"), cell("Code"))
        + "</table:table-header-rows>"
        + row(
            cell("12.5%", kind("percentage", "value", "0.125")),
            cell("1.234,50 €", kind("currency", "value", "1234.5")),
            cell("05/01/24", kind("date", "date-value", "2024-05-01T09:30:00")),
            cell("30:00", kind("time", "time-value", "PT30H00M05S")),
            cell("1.23E+15", kind("float", "value", "1234567890123456")),
        )
        + row(cell("a<text:s/>b"), cell("|", "table:number-columns-repeated='2'"))
        + "</table:table>"
    )
    assert document.content.split("\n")[2:] == [
        "| Share | Price | Day | Long | Code |",
        "| --- | --- | --- | --- | --- |",
        "| 12.5% | 1.234,50 € | 2024-05-01 09:30:00 | 30:00:05 | 1234567890123456 |",
        "| a b | \\| | \\| |  |  |",
    ]
    assert document.metadata == {"sheets": ["S"]}


def test_what_is_hidden_in_an_open_document_sheet_is_left_out_and_told() -> None:
    styles = (
        "<style:style style:name='h'><style:table-properties table:display='false'/></style:style>"
    )
    hidden = "table:visibility='collapse'"
    columns = f"<table:table-column/><table:table-column {hidden}/>"
    rows = row(cell("a"), cell("cost"), cell("b")) + row(cell("old"), attributes=hidden)
    group = f"<table:table-row-group>{row(cell('c'), attributes=hidden)}</table:table-row-group>"
    filtered = row(cell("d"), attributes="table:visibility='filter'")
    document = ods(
        f"<table:table table:name='S'>{columns}{rows}{group}{filtered}</table:table>"
        f"<table:table table:name='H' table:style-name='h'>{row(cell('secret'))}</table:table>",
        styles,
    )
    assert document.content == "## S\n\n| a | b |\n| --- | --- |\n| c |  |\n| d |  |"
    assert document.metadata == {
        "sheets": ["S"],
        "hidden_sheets": ["H"],
        "hidden_rows": 1,
        "hidden_columns": 1,
    }


def test_an_open_document_formula_nobody_calculated_is_shown_and_told() -> None:
    formula = "<table:table-cell table:formula='of:=SUM([.A1:.B1])'/>"
    document = ods(
        f"<table:table table:name='S'>{row(cell('1'), cell('2'), formula)}</table:table>"
    )
    assert "| 1 | 2 | =SUM(A1:B1) |" in document.content
    assert document.metadata["uncalculated_formulas"] == 1


def test_what_is_repeated_in_an_open_document_sheet_is_bounded() -> None:
    blank = "<table:table-cell table:number-columns-repeated='16383'/>"
    far = row(attributes="table:number-rows-repeated='1048574'") + row(blank, cell("stray"))
    document = ods(f"<table:table table:name='S'>{row(cell('five'))}{far}</table:table>")
    assert document.content == "## S\n\nfive\n\nstray"
    full = row(
        cell("x", "table:number-columns-repeated='16384'"),
        attributes="table:number-rows-repeated='1048576'",
    )
    with pytest.raises(LoadError, match="more than 5,000,000 cells"):
        ods(f"<table:table table:name='S'>{full}</table:table>")


def test_an_error_in_an_open_document_sheet_is_shown() -> None:
    kind = "table:formula='of:=1/0' office:value-type='string' office:string-value=''"
    document = ods(
        f"<table:table table:name='S'>{row(cell('1'), cell('#DIV/0!', kind))}</table:table>"
    )
    assert "| 1 | #DIV/0! |" in document.content
