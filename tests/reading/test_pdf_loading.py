"""PDF files, written here with fpdf2, become Markdown with the pages' places."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise

import pypdfium2
import pytest
from fpdf import FPDF
from fpdf.enums import AccessPermission, EncryptionMethod

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, load_bytes
from ragpg.reading.pdf_boxes import Box, Char
from ragpg.reading.pdf_layout import PageLayout, layout_pages
from ragpg.reading.pdf_order import in_reading_order
from ragpg.reading.pdf_rules import tables_of

PARAGRAPH = (
    "Refunds are paid within five days of the request, to the card the payment came from, "
    "unless the customer asks for another way. "
)


def pdf(write: Callable[[FPDF], None]) -> bytes:
    document = FPDF()
    document.set_font("helvetica", size=11)
    write(document)
    return bytes(document.output())


def from_pdf(data: bytes, name: str = "docs/report.pdf") -> LoadedDocument:
    return load_bytes(data, media_type="application/pdf", name=name)


def pages(document: LoadedDocument) -> list[str]:
    """The text of each page, by page_starts."""
    ends = [*document.page_starts[1:], len(document.content)]
    return [document.content[a:b].strip() for a, b in zip(document.page_starts, ends, strict=True)]


def add_text(document: FPDF, *texts: str) -> None:
    for text in texts:
        document.add_page()
        if text:
            document.multi_cell(0, text=text)


def test_pages_keep_their_places() -> None:
    document = from_pdf(pdf(lambda d: add_text(d, "First page.", "Second page.", "Third page.")))
    assert pages(document) == ["First page.", "Second page.", "Third page."]
    assert document.media_type == "application/pdf"
    assert document.title == "report"
    assert document.metadata["pages"] == 3


@pytest.mark.parametrize(
    ("texts", "starts"),
    [
        (("", "Text."), (0, 0)),
        (("Text.", "", "", "More."), (0, 7, 7, 7)),
        (("Text.", "", ""), (0, 5, 5)),
    ],
)
def test_a_blank_page_shares_the_start_of_the_next_one(
    texts: tuple[str, ...], starts: tuple[int, ...]
) -> None:
    assert from_pdf(pdf(lambda d: add_text(d, *texts))).page_starts == starts


def test_headings_are_what_is_larger_and_lines_become_paragraphs() -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        for size, text in ((22, "The handbook"), (15, "Money back"), (11, PARAGRAPH * 3)):
            document.set_font_size(size)
            document.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")
            document.ln(6)

    document = from_pdf(pdf(write))
    assert document.content == f"# The handbook\n\n## Money back\n\n{(PARAGRAPH * 3).strip()}"
    assert document.title == "The handbook"


def test_a_short_bold_paragraph_is_a_heading() -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        document.multi_cell(0, text=PARAGRAPH * 2, new_x="LMARGIN", new_y="NEXT")
        document.ln(5)
        document.set_font(style="B")
        document.multi_cell(0, text="How it is paid", new_x="LMARGIN", new_y="NEXT")
        document.set_font(style="")
        document.multi_cell(0, text=PARAGRAPH * 2)

    lines = from_pdf(pdf(write)).content.split("\n\n")
    assert lines[1] == "## How it is paid"


def test_what_every_page_repeats_is_dropped_with_its_page_number() -> None:
    class Report(FPDF):
        def header(self) -> None:
            self.cell(0, text="ACME confidential", new_x="LMARGIN", new_y="NEXT")
            self.ln(10)

        def footer(self) -> None:
            self.set_y(-15)
            self.cell(0, text=f"Page {self.page_no()} of the report")

    report = Report()
    report.set_font("helvetica", size=11)
    add_text(report, *(f"Words of page {word}." for word in ("one", "two", "three", "four")))
    document = from_pdf(bytes(report.output()))
    assert pages(document) == [f"Words of page {n}." for n in ("one", "two", "three", "four")]


def test_lines_that_differ_in_more_than_the_page_number_are_kept() -> None:
    texts = [f"Invoice {number}" for number in (1017, 1030, 1002, 2000)]
    assert pages(from_pdf(pdf(lambda d: add_text(d, *texts)))) == texts


def test_a_ruled_table_is_a_markdown_table() -> None:
    rows = [["Plan", "Price | month", "Seats"], ["Free", "0", "1"], ["Pro", "20", "up to five"]]

    def write(document: FPDF) -> None:
        document.add_page()
        document.multi_cell(0, text="The plans:", new_x="LMARGIN", new_y="NEXT")
        with document.table(width=120) as table:
            for row in rows:
                table.row(row)
        document.multi_cell(0, text="Prices are without tax.")

    assert from_pdf(pdf(write)).content.split("\n\n") == [
        "The plans:",
        "| Plan | Price \\| month | Seats |\n| --- | --- | --- |\n"
        "| Free | 0 | 1 |\n| Pro | 20 | up to five |",
        "Prices are without tax.",
    ]


def test_a_turned_page_reads_like_any_other() -> None:
    def write(document: FPDF) -> None:
        document.add_page(orientation="landscape")
        document.multi_cell(0, text=PARAGRAPH * 4)

    turned = pypdfium2.PdfDocument(pdf(write))
    page = turned[0]
    width, height = page.get_size()
    for piece in page.get_objects():
        piece.transform(pypdfium2.PdfMatrix().rotate(90, ccw=True).translate(height, 0))
    page.set_mediabox(0, 0, height, width)
    page.set_rotation(90)
    page.gen_content()
    out = io.BytesIO()
    turned.save(out)
    assert from_pdf(out.getvalue()).content == (PARAGRAPH * 4).strip()


def test_bullets_become_a_list() -> None:
    def write(document: FPDF) -> None:
        document.add_page()
        for text in ("Before:", "\x95 one thing", "\x95 another thing"):
            document.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")

    assert "- one thing\n- another thing" in from_pdf(pdf(write)).content


def test_metadata_is_read_and_placeholders_are_no_titles() -> None:
    def write(document: FPDF) -> None:
        add_text(document, "Words.")
        document.set_title("Yearly report")
        document.set_author("Ada")
        document.set_keywords("money, time")

    document = from_pdf(pdf(write))
    assert (document.title, document.metadata["author"]) == ("Yearly report", "Ada")
    assert document.metadata["keywords"] == "money, time"
    assert len(document.metadata["created"]) == len("2026-01-01")

    def write_placeholder(document: FPDF) -> None:
        add_text(document, "Words.")
        document.set_title("Microsoft Word - draft7.doc")

    assert from_pdf(pdf(write_placeholder)).title == "report"


# What cannot be read ---------------------------------------------------------------------------


def encrypted() -> bytes:
    def write(document: FPDF) -> None:
        add_text(document, "Secret.")
        document.set_encryption(
            "owner",
            "user",
            permissions=AccessPermission.none(),
            encryption_method=EncryptionMethod.AES_128,
        )

    return pdf(write)


def test_broken_ones_are_refused_with_the_file_and_what_to_do() -> None:
    sound = pdf(lambda d: add_text(d, "Words."))
    for data, reason in (
        (encrypted(), "encrypted with a password: save it without"),
        (b"%PDF-1.7\nnothing of a PDF follows", "damaged PDF: save it again"),
        (pdf(lambda d: d.add_page()), "no text, only images .*ocrmypdf"),
        (b"", "named as .pdf but is empty"),
        (b"just words", "named as .pdf but holds something else"),
    ):
        with pytest.raises(LoadError, match=f"docs/report.pdf: .*{reason}"):
            from_pdf(data)
    assert from_pdf(b"junk before it\n" + sound).content == "Words.", "Adobe's readers allow it"


def test_a_file_that_needs_no_password_to_be_read_is_read() -> None:
    def write(document: FPDF) -> None:
        add_text(document, "Readable.")
        document.set_encryption("owner", "", permissions=AccessPermission.none())

    assert from_pdf(pdf(write)).content == "Readable."


def test_a_truncated_file_gives_its_text_or_a_reason() -> None:
    whole = pdf(lambda d: add_text(d, *["Words."] * 5))
    for length in range(0, len(whole), 97):
        try:
            document = from_pdf(whole[:length])
        except LoadError as error:
            assert str(error).startswith("docs/report.pdf")
        else:
            assert "Words." in document.content


# Layout ----------------------------------------------------------------------------------------


def layout(*lines: tuple[str, float, float]) -> PageLayout:
    """A page with lines at (text, left, top), of letters 5 wide and 10 high."""
    chars: list[Char] = []
    for text, left, top in lines:
        for n, letter in enumerate(text):
            chars.append(
                Char(letter, (left + 5 * n, top, left + 5 * n + 5, top + 10), False, False)
            )
        chars.append(Char("\n", (0, 0, 0, 0), True, False))
    return PageLayout(chars, 600, 800)


def words_of(*lines: tuple[str, float, float]) -> str:
    return layout_pages([layout(*lines)])[0][0]


@pytest.mark.parametrize(
    ("before", "after", "rest", "joined"),
    [
        ("a state-", "ment here", "", "a statement here"),
        ("the self-", "locking nut", "self and locking", "the self-locking nut"),
        ("the co-", "operation of", "our cooperation is", "the cooperation of"),
        ("the well-", "known fact", "it is well-known", "the well-known fact"),
        ("the Jean-", "Luc of it", "", "the Jean-Luc of it"),
        ("pages 10-", "20 of it", "", "pages 10- 20 of it"),
    ],
)
def test_a_cut_word_is_whole_again_only_when_that_is_sure(
    before: str, after: str, rest: str, joined: str
) -> None:
    text = words_of((before, 50, 50), (after, 50, 62), (rest, 50, 200))
    assert text.split("\n\n")[0].replace("\n", " ") == joined


def test_columns_written_to_and_fro_are_read_one_after_the_other() -> None:
    left = [(f"left {n} {'word ' * 6}".strip(), 50.0, 50.0 + 40 * n) for n in range(8)]
    right = [(f"right {n} {'word ' * 6}".strip(), 330.0, 70.0 + 40 * n) for n in range(8)]
    mixed = [line for pair in zip(left, right, strict=True) for line in pair]
    text = words_of(*mixed)
    assert text.index("left 7") < text.index("right 0")


def test_a_page_written_in_reading_order_stays_as_it_is() -> None:
    lines = [(f"line {n}", 50.0 + 200 * (n % 3), 50.0 + 40 * (n // 3)) for n in range(12)]
    text = words_of(*lines)
    places = [text.index(f"line {n}") for n in range(12)]
    assert places == sorted(places)


def test_a_page_written_bottom_up_is_read_top_down() -> None:
    class Block:
        def __init__(self, top: float) -> None:
            self.box = (50.0, top, 500.0, top + 10)

    blocks = [Block(top) for top in range(700, 0, -50)]
    tops = [block.box[1] for block in in_reading_order(blocks, 600)]
    assert all(before < after for before, after in pairwise(tops))


def test_a_sentence_goes_on_over_the_page() -> None:
    texts, between = layout_pages([layout(("it goes", 50, 700)), layout(("on here.", 50, 50))])
    assert between(texts[0], texts[1]) == " "
    assert between("It ended.", "on here") == between("it goes", "New one") == "\n\n"


def row(top: float, *parts: tuple[str, float]) -> list[Char]:
    """The characters of a line with gaps, as PDFium gives them."""
    chars: list[Char] = []
    for text, left in parts:
        if chars:
            chars.append(Char(" ", (0, 0, 0, 0), True, False))
        for n, letter in enumerate(text):
            chars.append(
                Char(letter, (left + 5 * n, top, left + 5 * n + 5, top + 10), False, False)
            )
    return [*chars, Char("\n", (0, 0, 0, 0), True, False)]


def test_rows_of_aligned_texts_are_a_table_without_any_rule() -> None:
    lines = [
        row(50, ("Ducks by year:", 50)),
        *(
            row(80 + 15 * n, (f"y{n}", 50), (f"{n}0", 150), ("few" if n % 2 else "many", 250))
            for n in range(4)
        ),
        row(170, ("Words after it.", 50)),
    ]
    page = PageLayout([char for line in lines for char in line], 600, 800)
    assert layout_pages([page])[0][0].split("\n\n") == [
        "Ducks by year:",
        "| y0 | 00 | many |\n| --- | --- | --- |\n| y1 | 10 | few |\n| y2 | 20 | many |\n| y3 | 30 | few |",
        "Words after it.",
    ]


def test_two_columns_of_prose_and_lists_are_no_tables() -> None:
    prose = "seven words of a sentence that goes on"
    for first, second in ((prose, prose), ("\u2022", prose), ("1.", "short")):
        lines = [row(50 + 15 * n, (first, 50), (second, 350)) for n in range(6)]
        page = PageLayout([char for line in lines for char in line], 600, 800)
        assert "|" not in layout_pages([page])[0][0]


def grid(columns: int, rows: int, left: float = 0) -> list[Box]:
    """The rules of a table whose cells are 10 wide and high."""
    right, bottom = left + 10.0 * columns, 10.0 * rows
    upright = [(left + 10.0 * n, 0.0, left + 10.0 * n, bottom) for n in range(columns + 1)]
    level = [(left, 10.0 * n, right, 10.0 * n) for n in range(rows + 1)]
    return [*upright, *level]


def test_rules_make_the_cells_of_each_table() -> None:
    first, second = tables_of([*grid(2, 3), *grid(3, 2, left=100)])
    assert sorted(first) == [(x, y, x + 10, y + 10) for x in (0, 10) for y in (0, 10, 20)]
    assert len(second) == 6 and min(second)[0] == 100


def test_a_rule_that_is_missing_joins_two_cells() -> None:
    edges = [edge for edge in grid(2, 2) if edge != (10, 0, 10, 20)]
    (cells,) = tables_of([*edges, (10.0, 10.0, 10.0, 20.0), (5.0, 0.0, 5.0, 10.0)])
    assert len(cells) == 4


def test_sides_that_are_not_drawn_are_added() -> None:
    sides = ((0, 0, 0, 40), (30, 0, 30, 40))
    (cells,) = tables_of([edge for edge in grid(3, 4) if edge not in sides])
    assert len(cells) == 12


def test_a_drawing_of_thousands_of_rules_is_no_table() -> None:
    assert tables_of(grid(60, 60)) and not tables_of(grid(300, 300))
