"""Bytes become text that Postgres accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragpg.errors import LoadError
from ragpg.reading import clean_text, load_bytes
from ragpg.reading.decoding import decode


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\0b", "ab"),
        ("\ufeffa", "a"),
        ("\0\ufeff\0a", "a"),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\ud800b\udfff", "a\ufffdb\ufffd"),
        ("a\u2028b\u2029c\x85d\u00a0e", "a\u2028b\u2029c\x85d\u00a0e"),
        ("a\ufeffb", "a\ufeffb"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_clean_text(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("\0\r\n\ufeff\ud800\u2028")))
def test_clean_text_is_storable_and_cleaning_twice_changes_nothing(raw: str) -> None:
    clean = clean_text(raw)
    assert clean_text(clean) == clean
    assert "\0" not in clean and "\r" not in clean
    clean.encode()


GERMAN = "Grüße aus München: schöne Straße, das Öl fließt."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve café", "utf-8"),
        ("naïve café", "utf-8-sig"),
        ("naïve café \U0001f600", "utf-16"),
        ("naïve café \U0001f600", "utf-32"),
        ("café", "latin-1"),
        (GERMAN, "latin-1"),
        ("A “quoted” word — with dashes, £5.", "cp1252"),
        ("Привет, мир! Это обычный русский текст для проверки.", "cp1251"),
        ("これは日本語の文章です。文字コードの判定を行います。", "shift_jis"),
    ],
)
def test_decode(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).removeprefix("\ufeff") == text


def test_decode_honours_byte_order_marks_of_both_orders() -> None:
    assert clean_text(decode(b"\xff\xfeh\0i\0")) == clean_text(decode(b"\xfe\xff\0h\0i")) == "hi"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", [GERMAN, "Возврат занимает пять дней.", "退款需要五天。", "a,b\n1,2\n"]
)
def test_utf_16_without_a_mark_is_read_in_its_order(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text
    assert decode(text.encode(encoding) + b"\n") == text  # a line end of one byte after it


@pytest.mark.parametrize("text", ["ab \0cd, and so on", "a\0 refund\n", "Grüße \0aus "])
def test_a_text_with_a_zero_beside_a_space_is_not_utf_16(text: str) -> None:
    assert decode(text.encode()) == text


def test_decode_honours_the_charset_a_page_declares() -> None:
    page = '<meta charset="{}"><p>Łódź'.format
    assert decode(page("iso-8859-2").encode("iso-8859-2")).endswith("Łódź")
    # What is UTF-8 is UTF-8, whatever it says, and an unknown name is not an error.
    assert decode(page("iso-8859-2").encode()).endswith("Łódź")
    assert decode(page("x-nonsense").encode()).endswith("Łódź")


def test_what_declares_latin_1_is_read_as_cp1252() -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">“q” €'
    assert decode(page.encode("cp1252")) == page


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG"),
        (b"\x7fELF\x02\x01\x01" + bytes(9), "program"),
        (b"PK\x03\x04\x14\x00", "zip"),
        (bytes(range(32)) * 20, "control codes"),
        (b"\x00\x01\x02\x03" * 64, "control codes"),
    ],
)
def test_binary_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        decode(data)


def test_a_stray_nul_does_not_make_a_text_binary() -> None:
    document = load_bytes(b"a\0b", media_type="text/plain", name="x.txt")
    assert document.content == "ab"
