"""PDF pages as they lie in files: turned, cropped, filled in, set in columns of a narrow gutter."""

from __future__ import annotations

import io

import pypdfium2
import pytest
from fpdf import FPDF

from ragpg.reading.pdf_boxes import Char
from ragpg.reading.pdf_layout import PageLayout, layout_pages

from .test_pdf_loading import PARAGRAPH, from_pdf, pages, pdf


def saved(document: pypdfium2.PdfDocument) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def lines(document: FPDF) -> None:
    document.add_page()
    for number, word in enumerate(("first", "second", "third")):
        document.text(30, 30 + 6 * number, f"The {word} line of the page.")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_lines_of_a_page_that_lies_on_its_side_are_in_order(turn: int) -> None:
    document = pypdfium2.PdfDocument(pdf(lines))
    document[0].set_rotation(turn)
    content = from_pdf(saved(document)).content
    assert content.index("first") < content.index("second") < content.index("third")


def test_text_outside_the_crop_box_is_not_read() -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.text(20, 30, "Seen: five days.")
        document.text(120, 30, "Unseen: the facing page.")
        document.text(20, 200, "Unseen: printer's marks.")

    document = pypdfium2.PdfDocument(pdf(write))
    document[0].set_cropbox(0, 400, 300, 842)
    assert from_pdf(saved(document)).content == "Seen: five days."


def test_a_soft_hyphen_is_in_no_word() -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.write(text="in\u00adfor\u00admation stands here")

    assert from_pdf(pdf(write)).content == "information stands here"


@pytest.mark.parametrize("gutter", [292, 297.5, 303.3, 309])
def test_a_gutter_of_eight_points_parts_two_columns(gutter: float) -> None:
    document = FPDF(unit="pt", format=(595.276, 842))
    document.set_auto_page_break(False)
    document.add_page()
    document.c_margin = 0
    document.set_font("times", size=10)
    for band in range(8):  # to and fro, as some programs write
        for x, width, word in ((70, gutter - 74, "left"), (gutter + 4, 221, "right")):
            document.set_xy(x, 60 + 90 * band)
            words = " ".join(f"{word}{band}x{n}" for n in range(24))
            document.multi_cell(width, 12, words, align="J")
    content = from_pdf(bytes(document.output())).content
    assert content.index("left7x0") < content.index("right0x0")


def columns(count: int, rows: int, words: int, leading: float) -> bytes:
    """Returns a page whose columns are written row by row, as some programs do."""
    document = FPDF(unit="pt", format="A4")
    document.set_auto_page_break(False)
    document.add_page()
    document.c_margin = 0
    document.set_font("times", size=9)
    width = (515 - 14 * (count - 1)) / count
    for row in range(rows):
        for column in range(count):
            text = " ".join(f"c{column}r{row}w{n}" for n in range(words))
            document.set_xy(40 + column * (width + 14), 60 + row * leading)
            document.multi_cell(width, 11, text, align="L")
    return bytes(document.output())


@pytest.mark.parametrize("count", [2, 3, 4])
def test_columns_written_row_by_row_are_read_one_after_the_other(count: int) -> None:
    content = from_pdf(columns(count, rows=6, words=36, leading=110)).content
    places = [content.index(f"c{c}r{r}w0") for c in range(count) for r in range(6)]
    assert places == sorted(places)


def test_equal_cells_in_a_pages_first_row_are_no_running_header() -> None:
    content = from_pdf(columns(4, rows=1, words=8, leading=16)).content
    assert [content.count(f"c{c}r0w0") for c in range(4)] == [1, 1, 1, 1]


def test_rows_of_a_table_without_rules_are_no_columns() -> None:
    content = from_pdf(columns(4, rows=24, words=1, leading=16)).content
    places = [content.index(f"c{c}r{r}w0") for r in range(24) for c in range(4)]
    assert places == sorted(places)


def written(text: str, *others: str, page: str = "", catalog: str = "") -> bytes:
    """Returns a PDF of one page, whose font is object 5 and may name those from object 6 on."""
    objects = [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        f"/Resources<</Font<</F 5 0 R>>>>{page}>>",
        f"<</Length {len(text)}>>stream\n{text}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        *others,
    ]
    body = "".join(f"{n} 0 obj\n{one}\nendobj\n" for n, one in enumerate(objects, 1))
    return f"%PDF-1.7\n{body}trailer<</Root 1 0 R>>".encode()


def test_letters_outside_unicodes_first_plane_are_read() -> None:
    """Mathematical ones in articles, as a font's table gives them."""
    table = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def "
        "1 begincodespacerange <00> <FF> endcodespacerange "
        "2 beginbfchar <41> <D835DF07> <42> <00B5> endbfchar endcmap end end"
    )
    text = "BT /F 12 Tf 50 700 Td (500 Am and 2 Bm) Tj ET"
    found = from_pdf(written(text, f"<</Length {len(table)}>>stream\n{table}\nendstream"))
    assert found.content == "500 \U0001d707m and 2 µm"


def form(*fields: str) -> bytes:
    """Returns a form that asks for a plate number, a zone and whether you live there."""
    text = "BT /F 12 Tf 50 700 Td (Plate number:) Tj 0 -60 Td (Zone:) Tj 50 -60 Td (Resident) Tj ET"
    return written(
        text,
        *(f"<</Type/Annot/Subtype/Widget{one}>>" for one in fields),
        page=f"/Annots[{references(fields)}]",
        catalog=f"/AcroForm<</Fields[{references(fields)}]>>",
    )


def references(fields: tuple[str, ...]) -> str:
    return " ".join(f"{6 + n} 0 R" for n in range(len(fields)))


PLATE = "/FT/Tx/T(plate)/Rect[200 690 400 715]"
ZONE = "/FT/Ch/Ff 131072/T(zone)/Opt[(North)(South)]/Rect[200 630 300 655]"
KEY = "/FT/Tx/T(key)/Ff 8192/V(secret)/Rect[200 570 400 595]"
HOME = "/FT/Btn/T(home)/Rect[50 575 70 595]/AP<</N<</Yes 4 0 R/Off 4 0 R>>>>"


def test_values_of_a_form_stand_beside_what_asks_for_them() -> None:
    filled = form(PLATE + "/V(KX 4711 B)", ZONE + "/V(North)", HOME + "/V/Yes/AS/Yes")
    assert from_pdf(filled).content.split("\n\n") == [
        "Plate number: KX 4711 B",
        "Zone: North",
        "[x] Resident",
    ]


def test_an_empty_form_and_what_it_hides_add_nothing() -> None:
    hidden = form(PLATE + "/F 2/V(hidden)", ZONE, HOME + "/V/Off/AS/Off", KEY)
    assert from_pdf(hidden).content.split() == ["Plate", "number:", "Zone:", "Resident"]


def test_pages_turned_among_others_keep_their_places() -> None:
    def write(document: FPDF) -> None:
        lines(document)
        document.add_page()
        document.multi_cell(0, text=PARAGRAPH)

    document = pypdfium2.PdfDocument(pdf(write))
    document[0].set_rotation(90)
    first, second = pages(from_pdf(saved(document)))
    assert "third" in first and second == PARAGRAPH.strip()


def line_of(text: str, gaps: dict[int, float], usual: float = 0) -> str:
    """Returns how a line is read whose letters stand so far apart, 5 points wide and 10 high."""
    chars, left = [], 50.0
    for place, letter in enumerate(text):
        left += gaps.get(place, usual) if place else 0
        chars.append(Char(letter, (left, 100, left + 5, 110), False, False))
        left += 5
    (content,) = layout_pages([PageLayout(chars, 595, 842)])[0]
    return content


@pytest.mark.parametrize(
    ("text", "gaps", "read"),
    [
        ("belowunder", {5: 2.5}, "below under"),  # groff's narrow spaces
        ("Acta1533", {4: 1.6}, "Acta 1533"),  # after italics
        ("Immunol.17", {8: 1.6}, "Immunol. 17"),
        ("below-under", {5: 2.5, 6: 2.5}, "below-under"),
        ("kerned", {3: 0.8}, "kerned"),
        ("退款需要", {2: 3}, "退款需要"),
    ],
)
def test_words_that_stand_apart_are_two(text: str, gaps: dict[int, float], read: str) -> None:
    assert line_of(text, gaps) == read


def test_letters_that_all_stand_apart_are_a_word() -> None:
    assert line_of("LETTERS", {}, usual=2.5) == "LETTERS"
