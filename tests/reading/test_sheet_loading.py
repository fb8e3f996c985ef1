"""Workbooks, written here, become Markdown: a page and its tables per sheet, cells as shown."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument
from ragpg.reading.number_formats import shown

from .office_files import load, packed, saved, workbook


def sheet(write: Callable[[Any], None]) -> LoadedDocument:
    """A workbook of one sheet, called Sheet."""
    book = openpyxl.Workbook()
    write(book["Sheet"])
    return load(saved(book), "book.xlsx")


def test_sheets_are_pages_with_heading_and_table() -> None:
    document = load(
        workbook(
            Prices=[["Plan", "Price"], ["Pro", 20], ["Team", 49.9]],
            Empty=[],
            Dates=[["Day", "Done"], [datetime.date(2024, 5, 1), True]],
        ),
        "book.xlsx",
    )
    prices = "## Prices\n\n| Plan | Price |\n| --- | --- |\n| Pro | 20 |\n| Team | 49.9 |"
    dates = "## Dates\n\n| Day | Done |\n| --- | --- |\n| 2024-05-01 | TRUE |"
    assert document.content == f"{prices}\n\n{dates}"
    assert document.page_starts == (0, len(prices) + 2, len(prices) + 2)
    assert document.metadata == {"sheets": ["Prices", "Empty", "Dates"]}


def test_a_sheet_is_split_into_its_tables_and_titles() -> None:
    rows: list[list[Any]] = [
        ["Ducks per year"],
        [],
        ["Year", "Ducks", None, "Lake", "Depth"],
        [2023, 160, None, "North", 3],
        [],
        [2024, 180, None, "South", 4],
        [],
        [],
        ["Source:", "own counts"],
    ]
    assert load(workbook(S=rows), "book.xlsx").content.split("\n\n") == [
        "## S",
        "Ducks per year",
        "| Year | Ducks |\n| --- | --- |\n| 2023 | 160 |\n| 2024 | 180 |",
        "| Lake | Depth |\n| --- | --- |\n| North | 3 |\n| South | 4 |",
        "| Source: | own counts |\n| --- | --- |",
    ]


def test_merged_cells_are_in_each_of_their_places() -> None:
    book = openpyxl.Workbook()
    sheet = book["Sheet"]
    for row in (
        ["A list of ducks", None, None],
        ["Lake", "Kind", "Count"],
        ["North", "x", 1],
        [None, "y", 2],
    ):
        sheet.append(row)
    sheet.merge_cells("A1:C1")
    sheet.merge_cells("A3:A4")
    assert load(saved(book), "book.xlsx").content.endswith(
        "A list of ducks\n\n| Lake | Kind | Count |\n| --- | --- | --- |\n"
        "| North | x | 1 |\n| North | y | 2 |"
    )


def test_cells_are_one_line_and_pipes_are_escaped() -> None:
    content = load(workbook(S=[["a|b", "c\nd"], [" x ", "\ty"]]), "book.xlsx").content
    assert content.endswith("| a\\|b | c d |\n| --- | --- |\n| x | y |")


# Cells as they are shown ------------------------------------------------------------------------


def test_numbers_are_as_their_cells_show_them() -> None:
    cells = {
        (0.125, "0.0%"): "12.5%",
        (-1234.5, '"$"#,##0.00_);[Red]("$"#,##0.00)'): "($1,234.50)",
        (1234.5, '#,##0.00\\ "€"'): "1,234.50 €",
        (99, "[$£-809]#,##0.00"): "£99.00",
        (1234567, "#,##0"): "1,234,567",
        (42, "00000"): "00042",
        (123456789, "000-00-0000"): "123-45-6789",
        (4111111111111111, "General"): "4111111111111111",
        (0.1 + 0.2, "General"): "0.3",
        (12, '0.0" kg"'): "12.0 kg",
        (1.5, "# ?/?"): "1.5",
        (45413, "mmm yyyy"): "2024-05",
        (1.25, "[h]:mm:ss"): "30:00:00",
    }

    def write(sheet: Any) -> None:
        for row, (value, code) in enumerate(cells, 1):
            sheet.cell(row, 1, "value")
            sheet.cell(row, 2, value).number_format = code

    lines = sheet(write).content.split("\n")[2:]
    assert [line.split(" | ")[1].rstrip(" |") for line in lines if "---" not in line] == list(
        cells.values()
    )


def test_dates_are_iso_8601_with_what_their_format_shows() -> None:
    moment = datetime.datetime(2024, 5, 1, 9, 30, 15)
    codes = {
        "mm-dd-yy": "2024-05-01",
        "[$-407]d. mmmm yyyy;@": "2024-05-01",
        "d/m/yy h:mm": "2024-05-01 09:30",
        "yyyy-mm-dd h:mm:ss": "2024-05-01 09:30:15",
        "h:mm AM/PM": "09:30",
        "yyyy": "2024",
        "d-mmm": "2024-05-01",
    }

    def write(sheet: Any) -> None:
        for column, code in enumerate(codes, 1):
            sheet.cell(1, column, moment).number_format = code

    assert sheet(write).content.split("\n")[2] == f"| {' | '.join(codes.values())} |"


def xlsx(cells: str, book: str = "", styles: str = "") -> bytes:
    """The bytes of a workbook whose one sheet has a row of these cells."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    related = f'<r><Relationship Id="a" Type="{office}/{{}}" Target="{{}}"/></r>'
    return packed(
        {
            "[Content_Types].xml": "x",
            "_rels/.rels": related.format("officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">{book}'
            '<sheets><sheet name="S" r:id="a"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": related.format("worksheet", "Worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": f'<x:worksheet xmlns:x="{main}"><x:sheetData><x:row>'
            f"{cells.replace('<', '<x:').replace('<x:/', '</x:')}</x:row></x:sheetData></x:worksheet>",
            "xl/styles.xml": f'<styleSheet xmlns="{main}">{styles}</styleSheet>',
        }
    )


@pytest.mark.parametrize(
    ("kind", "cell", "text"),
    [
        ("n", "<v>12345678901234567890</v>", "12345678901234567890"),
        ("n", "<v>0.30000000000000004</v>", "0.3"),
        ("n", "<v>1E-3</v>", "0.001"),
        ("n", "<v>-0.0</v>", "0"),
        ("n", "<v>no number</v>", "no number"),
        ("b", "<v>1</v>", "TRUE"),
        ("e", "<v>#DIV/0!</v>", "#DIV/0!"),
        ("d", "<v>2024-05-01T00:00:00</v>", "2024-05-01"),
        ("str", "<v>a_x000D_b_xD83D__xDE00_</v>", "a b😀"),
        (
            "inlineStr",
            "<is><r><t>two </t></r><r><t>runs</t></r><rPh><t>no</t></rPh></is>",
            "two runs",
        ),
        ("s", "<v>9</v>", "none"),
        ('e" vm="1', "<v>#VALUE!</v>", "none"),
    ],
)
def test_cells_of_each_type(kind: str, cell: str, text: str) -> None:
    both = f'<c t="{kind}">{cell}</c><c t="str"><v>none</v></c>'
    first = load(xlsx(both), "a.xlsx").content.split("\n")[2].split(" | ")[0]
    assert first.removeprefix("| ") == text


def test_of_each_built_in_format_and_years_from_1904() -> None:
    ids = "".join(f'<xf numFmtId="{one}"/>' for one in (0, 9, 4, 44, 14, 49))
    styles = f"<cellXfs>{ids}</cellXfs>"
    cells = "".join(f'<c s="{n}"><v>1462</v></c>' for n in range(6))
    data = xlsx(cells, '<workbookPr date1904="1"/>', styles)
    shown = "| 1462 | 146200% | 1,462.00 | $1,462.00 | 1908-01-02 | 1462 |"
    assert load(data, "a.xlsx").content.split("\n")[2] == shown


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        ("-0.004", "0.00", "0.00"),
        ("-0.004", "0.00;(0.00)", "(0.00)"),
        ("0", '0.0;-0.0;"none"', "none"),
        ("5", ";;;", ""),
        ("1234567", '0.0,,"M"', "1.2M"),
        ("999.995", "0.00E+00", "1.00E+03"),
        ("-5", '[<0]"down "0;[=0]"still";"up "0', "down 5"),
        ("1500", '[>=1000]0.0,"k";0', "1.5k"),
        ("7", '[>=1000]0.0,"k"', "7"),
        ("5551234567", "(###) ###-####", "(555) 123-4567"),
        ("4111111111111111", "0000 0000 0000 0000", "4111 1111 1111 1111"),
        ("1.005", "0.00", "1.01"),
        ("3", 'General" days"', "3 days"),
        ("3", "@", "3"),
        ("12", "\\1\\.00", "1.12"),
        ("1e20", "0" * 300, "100000000000000000000"),
        ("1e-400", "0.0", "0.0"),
        ("nan", "0.0", "nan"),
        ("0", "yyyy-mm-dd", "1900-01-00"),
        ("60", "yyyy-mm-dd", "1900-02-29"),
        ("-1", "yyyy-mm-dd", "-1"),
        ("0.99999999", "h:mm:ss", "00:00:00"),
        ("0.00347222", "mm:ss", "00:05:00"),
    ],
)
def test_number_formats(number: str, code: str, text: str) -> None:
    assert shown(number, code) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [("@", "jello"), ("-@-@-", "-jello-jello-"), (";;;", ""), ('0;0;0;"<"@">"', "<jello>"),
     ('"hi"', "jello"), ('_("$"* #,##0_);_("$"* (#,##0);_("$"* "-"_);_(@_)', "jello")],
)  # fmt: skip
def test_texts_by_their_format(code: str, text: str) -> None:
    def write(sheet: Any) -> None:
        sheet.append(["jello", "next"])
        sheet["A1"].number_format = code

    assert sheet(write).content.split("\n")[2] == (f"| {text} | next |" if text else "next")


def test_one_long_text_in_many_cells_is_refused_early() -> None:
    with pytest.raises(LoadError, match="more than 50,000,000 characters"):
        load(workbook(S=[["long " * 6000] * 2000]), "book.xlsx")


# Formulas ---------------------------------------------------------------------------------------


def test_formulas_nobody_calculated_are_shown_and_told() -> None:
    rows: list[list[Any]] = [
        ["a", 1],
        ["b", 2],
        ["sum", "=SUM(B1:B2)"],
        ["list", "=_xlfn.UNIQUE(B1:B2)"],
    ]
    document = load(workbook(S=rows), "book.xlsx")
    assert document.content.endswith("| sum | =SUM(B1:B2) |\n| list | =UNIQUE(B1:B2) |")
    assert document.metadata == {"sheets": ["S"], "uncalculated_formulas": 2}


def test_a_zero_is_no_result_where_the_program_left_calculating_to_others() -> None:
    cells = '<c><f>A9*2</f><v>0</v></c><c><f>1+2</f><v>3</v></c><c t="str"><f>T(A9)</f><v/></c>'
    plain = load(xlsx(cells), "a.xlsx")
    assert (plain.content.split("\n")[2], plain.metadata) == ("| 0 | 3 |", {"sheets": ["S"]})
    unsure = load(xlsx(cells, '<calcPr fullCalcOnLoad="1"/>'), "a.xlsx")
    assert unsure.content.split("\n")[2] == "| =A9*2 | 3 |"
    assert unsure.metadata["uncalculated_formulas"] == 1


# What is hidden ---------------------------------------------------------------------------------


def test_hidden_sheets_rows_and_columns_are_left_out_and_told() -> None:
    book = openpyxl.Workbook()
    book["Sheet"].append(["Plan", "Cost", "Price"])
    for row in (["Pro", 7, 20], ["Old", 8, 30], ["Team", 9, 50]):
        book["Sheet"].append(row)
    book["Sheet"].column_dimensions["B"].hidden = True
    book["Sheet"].row_dimensions[3].hidden = True
    for state in ("hidden", "veryHidden"):
        book.create_sheet(state).sheet_state = state
        book[state]["A1"] = "secret"
    document = load(saved(book), "book.xlsx")
    assert document.content == (
        "## Sheet\n\n| Plan | Price |\n| --- | --- |\n| Pro | 20 |\n| Team | 50 |"
    )
    assert document.metadata == {
        "sheets": ["Sheet"],
        "hidden_sheets": ["hidden", "veryHidden"],
        "hidden_rows": 1,
        "hidden_columns": 1,
    }


def test_what_a_filter_or_a_collapsed_group_hides_is_read() -> None:
    def write(sheet: Any) -> None:
        for row in (["Plan", "Price", "Tax"], ["Pro", 20, 4], ["Team", 50, 10]):
            sheet.append(row)
        sheet.auto_filter.ref = "A1:C2"
        sheet.auto_filter.add_filter_column(0, ["Team"])
        sheet.row_dimensions[2].hidden = True
        sheet.row_dimensions.group(3, 3, hidden=True)
        sheet.column_dimensions.group("C", "C", hidden=True)

    document = sheet(write)
    assert document.content.endswith("| Pro | 20 | 4 |\n| Team | 50 | 10 |")
    assert document.metadata == {"sheets": ["Sheet"]}


def test_rows_a_table_filters_are_read() -> None:
    from openpyxl.worksheet.filters import AutoFilter, FilterColumn
    from openpyxl.worksheet.table import Table

    def write(sheet: Any) -> None:
        for row in (["Plan", "Price"], ["Pro", 20], ["Team", 50]):
            sheet.append(row)
        table = Table(displayName="T", ref="A1:B3")
        table.autoFilter = AutoFilter(ref="A1:B3", filterColumn=[FilterColumn(colId=0)])
        sheet.add_table(table)
        sheet.row_dimensions[2].hidden = True

    assert "| Pro | 20 |" in sheet(write).content


def test_rows_an_advanced_filter_hides_are_read() -> None:
    def write(sheet: Any) -> None:
        for row in (["Plan", "Price"], ["Pro", 20], ["Team", 50]):
            sheet.append(row)
        sheet.sheet_properties.filterMode = True
        sheet.row_dimensions[2].hidden = True

    assert "| Pro | 20 |" in sheet(write).content


def test_a_workbook_of_hidden_cells_alone_says_so() -> None:
    def write(sheet: Any) -> None:
        sheet["A1"] = "words"
        sheet.row_dimensions[1].hidden = True

    with pytest.raises(LoadError, match="all that it holds is hidden: show it"):
        sheet(write)


def test_a_merged_cell_is_read_where_a_part_of_it_is_shown() -> None:
    def write(sheet: Any) -> None:
        for row in (["North", "x"], [None, "y"]):
            sheet.append(row)
        sheet.merge_cells("A1:A2")
        sheet.row_dimensions[1].hidden = True

    assert sheet(write).content.endswith("| North | y |\n| --- | --- |")


# Cells far from the others ----------------------------------------------------------------------


@pytest.mark.parametrize("place", ["XFD1048576", "XFD1", "B1000000", "F9"])
def test_a_stray_cell_is_a_table_of_its_own(place: str) -> None:
    def write(sheet: Any) -> None:
        sheet["A1"], sheet["A2"], sheet["B2"], sheet[place] = "Refunds", "five", "days", "stray"

    document = sheet(write)
    assert {"| five | days |", "stray"} <= set(document.content.replace("Refunds", "").split("\n"))
    assert len(document.content) < 100


def test_a_column_far_out_is_a_table_of_its_own() -> None:
    def write(sheet: Any) -> None:
        for row in range(1, 401):
            sheet.cell(row, 1, f"a{row}")
            sheet.cell(row, 16384, f"z{row}")

    tables = sheet(write).content.split("\n\n")[1:]
    assert [table.split("\n")[0] for table in tables] == ["| a1 |", "| z1 |"]
    assert [table.count("\n") for table in tables] == [400, 400]


def test_a_sheet_of_too_many_places_is_refused() -> None:
    def write(sheet: Any) -> None:
        for column in range(1, 16385, 2):
            sheet.cell(column, column, "x")
            sheet.cell(column + 1, column, "x")

    with pytest.raises(LoadError, match=r"book.xlsx: it holds more than 5,000,000 cells"):
        sheet(write)
