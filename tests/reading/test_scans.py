"""Scans: told while nobody asks for their text, recognised where RAGPG_OCR asks for it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rapidfuzz.distance import Indel

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, digest_of_file, find_files, load_bytes, load_documents
from ragpg.reading import ocr as recognising
from ragpg.reading.ocr_setting import told_of_scans
from ragpg.reading.pdf import read_pdf

from .scans import image_file, printed, scanned

TEXT = (
    "The supplier shall refund the full price within 30 days of the return of the goods to its "
    "warehouse in Hamburg, unless the buyer has agreed to accept a replacement instead.",
    "Contract No. 2024-117 was signed on 5 May 2024 by Ann Lee for Example Ltd.; delivery takes "
    "between two and four weeks, and costs 49.90 more by express.",
)
TYPED = "This page was typed and holds text of its own, more than a stamp of a scanner does. " * 3


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def accuracy(found: str) -> float:
    return Indel.normalized_similarity(words(" ".join(TEXT)), words(found))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGPG_OCR", "1")


def load(data: bytes, media_type: str = "application/pdf") -> LoadedDocument:
    return load_bytes(data, media_type=media_type, name="a.pdf")


def test_without_being_asked_for_scans_are_told_and_not_recognised(tmp_path: Path) -> None:
    page = printed(TEXT)
    with pytest.raises(
        LoadError, match=r"a\.pdf: it holds no text.*ragpg\[ocr\].*RAGPG_OCR=1.*ocrmypdf"
    ):
        load(scanned([page]))
    with pytest.raises(LoadError, match=r"it is a picture: .*ragpg\[ocr\].*RAGPG_OCR=1"):
        load(image_file([page], "PNG"), "image/png")
    mixed = load(scanned([TYPED, page, page]))
    assert mixed.metadata["scanned_pages"] == [2, 3] and "ocr_pages" not in mixed.metadata
    assert mixed.content == TYPED.strip()
    (tmp_path / "a.png").write_bytes(image_file([page], "PNG"))
    found = find_files([tmp_path])
    assert not found.files and "RAGPG_OCR=1" in found.skipped[0].reason


@pytest.mark.usefixtures("asked")
def test_scanned_pages_are_recognised_and_the_others_left_as_they_are() -> None:
    document = load(scanned([TYPED, printed(TEXT), printed([])], stamp="Scanned by S"))
    assert document.metadata["ocr_pages"] == [2, 3] and "scanned_pages" not in document.metadata
    first, second, third = document.page_starts
    assert document.content[first:second].strip() == TYPED.strip()
    page = document.content[second:third]
    assert "Scanned by S" in page
    paragraphs = page.replace("Scanned by S", "").strip().split("\n\n")
    assert len(paragraphs) == 2 and accuracy(page.replace("Scanned by S", "")) > 0.98
    assert document.content[third:].strip() == "Scanned by S"


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("turn", [90, 180, 270, 1.5])
def test_a_page_is_read_however_it_lay_on_the_glass(turn: float) -> None:
    assert accuracy(load(scanned([printed(TEXT, turn=turn)])).content) > 0.97


@pytest.mark.usefixtures("asked")
def test_two_columns_are_read_one_after_the_other() -> None:
    left, right = (printed([text] * 2, width=85) for text in TEXT)
    page = left.copy()
    page.paste(right.crop((0, 0, right.width // 2, right.height)), (left.width // 2, 0))
    expected = words(" ".join([TEXT[0]] * 2 + [TEXT[1]] * 2))
    found = words(load(scanned([page])).content)
    assert Indel.normalized_similarity(expected, found) > 0.95


@pytest.mark.usefixtures("asked")
def test_pictures_are_read_each_in_the_file_a_page(tmp_path: Path) -> None:
    first, second = printed(TEXT[:1]), printed(TEXT[1:])
    path = tmp_path / "fax.tif"
    path.write_bytes(image_file([first.convert("1"), second.convert("1")], "TIFF"))
    assert [str(found) for _, found in find_files([tmp_path]).files] == [str(path)]
    (part,) = load_documents(path)
    assert accuracy(part.document.content) > 0.95
    assert len(part.document.page_starts) == 2 and part.document.metadata == {"ocr_pages": [1, 2]}
    for kind, media_type in (("PNG", "image/png"), ("JPEG", "image/jpeg")):
        assert accuracy(load(image_file([printed(TEXT)], kind), media_type).content) > 0.98
    clear = Image.new("RGBA", first.size, (0, 0, 0, 0))
    clear.paste(first.convert("RGBA"), mask=first.convert("L").point(lambda one: 255 - one))
    assert "Hamburg" in load(image_file([clear], "PNG"), "image/png").content


@pytest.mark.usefixtures("asked")
def test_what_holds_nothing_to_read_is_refused() -> None:
    for data, media_type, reason in (
        (scanned([printed([])]), "application/pdf", "holds no text, .* none was recognised"),
        (image_file([printed([])], "PNG"), "image/png", "holds no text"),
        (b"\x89PNG\r\n\x1a\n and no more", "image/png", "damaged picture|holds something else"),
        (
            image_file([Image.new("1", (20_000, 12_000))], "PNG"),
            "image/png",
            "more than 178 million pixels",
        ),
        (b"no picture", "image/jpeg", "holds something else"),
    ):
        with pytest.raises(LoadError, match=reason):
            load(data, media_type)


def test_after_its_time_further_pages_are_left_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognising, "OCR_SECONDS", 0.001)
    reading = read_pdf(scanned([TYPED, printed(TEXT)]), ocr=True)
    assert reading.metadata["scanned_pages"] == [2] and "ocr_pages" not in reading.metadata


def test_the_report_tells_pages_as_ranges() -> None:
    told = told_of_scans({"ocr_pages": [1, 2, 3, 5], "scanned_pages": [7]})
    assert told.startswith(
        "text of its scanned pages recognised: 1-3, 5; scanned pages whose text is"
    )
    assert told.endswith("RAGPG_OCR=1): 7")
    # Somebody's own metadata may have these names.
    assert told_of_scans({"ocr_pages": ["a", "b"], "scanned_pages": "none"}) == ""


def test_a_file_is_another_one_where_its_scans_are_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a file that was added without its scans would stay so as unchanged."""
    for name, differs in (("a.pdf", True), ("a.md", False)):
        (tmp_path / name).write_bytes(b"text")
        monkeypatch.delenv("RAGPG_OCR", raising=False)
        before = digest_of_file(tmp_path / name)
        monkeypatch.setenv("RAGPG_OCR", "1")
        assert (digest_of_file(tmp_path / name) != before) is differs


def test_another_word_than_yes_or_no_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGPG_OCR", "tesseract")
    with pytest.raises(LoadError, match=r"RAGPG_OCR is 'tesseract': 1 has scans recognised"):
        load(scanned([TYPED]))


def test_without_the_extra_the_reason_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['rapidocr'] = None\n"
        "from ragpg.reading.pdf import read_pdf\nread_pdf(sys.stdin.buffer.read(), ocr=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=scanned([printed(TEXT)]),
        capture_output=True,
        timeout=120,
    )
    assert (
        "LoadError: to recognise a scan takes an extra: pip install 'ragpg[ocr]'"
        in done.stderr.decode()
    )
