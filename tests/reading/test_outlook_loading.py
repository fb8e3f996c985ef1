"""Outlook messages (.msg) are read as the mail messages they were."""

from __future__ import annotations

from typing import Any

import compressed_rtf
import pytest
from docx import Document

from ragpg.errors import LoadError
from ragpg.reading import load_documents

from .office_files import saved
from .outlook_files import compound_file, message

_SUBJECT, _BODY, _HTML, _RTF, _HEADERS = 0x0037, 0x1000, 0x1013, 0x1009, 0x007D
_SENT = 133_000_000_000_000_000  # 2022-06-18, in tenths of a microsecond since 1601


def read(tmp_path: Any, tree: Any, failures: list[str] | None = None) -> dict[str, Any]:
    path = tmp_path / "a.msg"
    path.write_bytes(compound_file(tree))
    told = failures if failures is not None else []
    parts = load_documents(path, lambda suffix, error: told.append(f"{suffix} {error}"))
    return {part.suffix: part.document for part in parts}


def attachment(name: str, data: bytes) -> dict[str, Any]:
    return message(head=8, texts={0x3707: name}, numbers={0x3705: 1}, binaries={0x3701: data})


def recipient(kind: int, name: str, address: str) -> dict[str, Any]:
    return message(head=8, texts={0x3001: name, 0x39FE: address}, numbers={0x0C15: kind})


def test_headers_are_metadata_and_attachments_documents(tmp_path: Any) -> None:
    word = Document()
    word.add_paragraph("The attached offer.")
    documents = read(tmp_path, message(
        texts={_SUBJECT: "Angebot für Jörg", _BODY: "Plain words.\r\nMore.", 0x0C1A: "Ann Lee",
               0x5D01: "ann@example.org", 0x1035: "<1@example.org>"},
        numbers={0x0039: _SENT},
        inside={
            "__recip_version1.0_#00000000": recipient(1, "Jörg", "joerg@example.org"),
            "__recip_version1.0_#00000001": recipient(2, "Cy", "cy@example.org"),
            "__recip_version1.0_#00000002": recipient(3, "Hidden", "bcc@example.org"),
            "__attach_version1.0_#00000000": attachment("offer.docx", saved(word)),
            "__attach_version1.0_#00000001": attachment("big.txt", b"words " * 2000),
            "__attach_version1.0_#00000002": attachment("odd.bin", b"\0\1"),
        },
    ))  # fmt: skip
    assert documents[""].title == "Angebot für Jörg"
    assert documents[""].content.split() == ["Plain", "words.", "More."]
    assert documents[""].metadata == {
        "from": "Ann Lee <ann@example.org>", "to": "Jörg <joerg@example.org>",
        "cc": "Cy <cy@example.org>", "message_id": "<1@example.org>",
        "date": "2022-06-18T04:26:40+00:00", "attachments": ["offer.docx", "big.txt", "odd.bin"],
    }  # fmt: skip
    assert documents["#offer.docx"].content == "The attached offer."
    assert documents["#big.txt"].content == "words " * 2000
    assert set(documents) == {"", "#offer.docx", "#big.txt"}


def test_the_headers_it_was_sent_with_come_first(tmp_path: Any) -> None:
    headers = (
        "From: Real <real@example.org>\r\nDate: Mon, 06 May 2024 10:00:00 +0200\r\nList-ID: <l>\r\n"
    )
    document = read(
        tmp_path,
        message(texts={_HEADERS: headers, _BODY: "x", 0x0C1A: "Other", _SUBJECT: "S\r\nT"}),
    )[""]
    assert document.title == "S T"
    assert document.metadata["from"] == "Real <real@example.org>"
    assert document.metadata["date"] == "2024-05-06T10:00:00+02:00"


@pytest.mark.parametrize(
    "rich, expected",
    [
        (rb"{\rtf1\ansi\ansicpg1252 Only rich \'fc text.\par Second.}", "Only rich ü text.\n\nSecond."),
        (
            rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\*\htmltag64 <h1>}\htmlrtf {\b \htmlrtf0 "
            rb"A{\*\htmltag84 &amp;}\htmlrtf &\htmlrtf0 B\htmlrtf }\htmlrtf0 {\*\htmltag72 </h1>}"
            rb"{\*\htmltag64 <p>}h\'f6re\htmlrtf twice\htmlrtf0{\*\htmltag72 </p>}}",
            "# A&B\n\nhöre",
        ),
    ],
)  # fmt: skip
def test_a_body_that_is_only_rich_text_is_read(tmp_path: Any, rich: bytes, expected: str) -> None:
    packed = compressed_rtf.compress(rich)
    document = read(tmp_path, message(binaries={_RTF: packed}, texts={_SUBJECT: "S"}))[""]
    assert document.content.replace("\n\n\n", "\n\n").strip() == expected


def test_html_and_narrow_texts_have_their_code_pages(tmp_path: Any) -> None:
    html = "<html><head><meta charset='utf-8'></head><p>Привет</p></html>".encode("cp1251")
    document = read(tmp_path, message(
        binaries={_HTML: html}, narrow={_SUBJECT: "Тема".encode("cp1251")},
        numbers={0x3FDE: 1251, 0x3FFD: 1251},
    ))[""]  # fmt: skip
    assert (document.title, document.content.strip()) == ("Тема", "Привет")


def test_a_message_in_it_is_read_as_a_forwarded_one_with_its_files(tmp_path: Any) -> None:
    inner = message(
        head=24, texts={_SUBJECT: "Inner", _BODY: "Inner words.", 0x0C1A: "Bo", 0x5D01: "bo@x.org"},
        inside={"__attach_version1.0_#00000000": attachment("note.txt", b"a note")},
    )  # fmt: skip
    holder = message(head=8, numbers={0x3705: 5}, inside={"__substg1.0_3701000D": inner})
    documents = read(tmp_path, message(
        texts={_SUBJECT: "Outer", _BODY: "See below."}, inside={"__attach_version1.0_#00000000": holder}
    ))  # fmt: skip
    assert documents[""].content.split("\n\n")[0].strip() == "See below."
    assert "From: Bo <bo@x.org>\nSubject: Inner" in documents[""].content
    assert "Inner words." in documents[""].content
    assert documents["#note.txt"].content == "a note"


def test_a_damaged_one_is_refused_and_so_is_what_is_attached_damaged(tmp_path: Any) -> None:
    data = compound_file(message(texts={_SUBJECT: "S", _BODY: "x" * 9000}))
    path = tmp_path / "a.msg"
    for broken in (data[:600], data[:1024] + b"\xff" * 1000):
        path.write_bytes(broken)
        with pytest.raises(LoadError, match=r"a\.msg: it is "):
            list(load_documents(path))
    told: list[str] = []
    tree = message(
        texts={_BODY: "x"}, inside={"__attach_version1.0_#00000000": attachment("a.pdf", b"no")}
    )
    assert set(read(tmp_path, tree, told)) == {""}
    assert len(told) == 1 and "#a.pdf" in told[0] and "named as .pdf" in told[0]


def test_a_message_is_known_by_its_bytes_whatever_its_name(tmp_path: Any) -> None:
    path = tmp_path / "mail.xls"
    path.write_bytes(compound_file(message(texts={_SUBJECT: "S", _BODY: "words"})))
    assert [part.document.content.strip() for part in load_documents(path)] == ["words"]
