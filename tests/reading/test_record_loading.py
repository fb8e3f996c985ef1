"""Files that hold records, tables of text, mails: each becomes the documents it holds."""

from __future__ import annotations

import email.message
import email.policy
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF

from ragpg.errors import LoadError
from ragpg.reading import LoadedPart, load_bytes, load_documents, load_path


def parts(path: Path, data: str | bytes) -> list[LoadedPart]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(load_documents(path))


# JSON ------------------------------------------------------------------------------------------


def test_each_line_of_json_is_a_document(tmp_path: Path) -> None:
    records = [
        {
            "id": "a1",
            "title": "Refunds",
            "text": "Five days.",
            "tier": "pro",
            "tags": ["x"],
            "n": 3,
        },
        {"_id": 7, "body": "Without title."},
        {"url": "https://example.org/x", "name": "Named", "content": "Words."},
        {"question": "why?", "answer": {"short": "so"}},
    ]
    lines = "\n".join(map(json.dumps, records)) + "\n\n"
    found = parts(tmp_path / "corpus.jsonl", lines)
    assert [part.suffix for part in found] == ["#a1", "#7", "#https://example.org/x", "#4"]
    documents = [part.document for part in found]
    assert [one.title for one in documents] == [
        "Refunds",
        "corpus.jsonl#7",
        "Named",
        "corpus.jsonl#4",
    ]
    assert [one.content for one in documents] == [
        "Five days.",
        "Without title.",
        "Words.",
        'question: why?\nanswer: {"short": "so"}',
    ]
    assert documents[0].metadata == {"id": "a1", "tier": "pro", "n": 3, "tags": ["x"]}
    assert documents[0].media_type == "application/x-ndjson"


def test_the_same_id_twice_gives_two_sources(tmp_path: Path) -> None:
    found = parts(tmp_path / "x.jsonl", '{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n')
    assert [part.suffix for part in found] == ["#1", "#1#1"]


def test_a_line_that_is_no_json_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a"}\n{"text": \n{"text": "  "}\n{"text": "d"}\n')
    failures: list[tuple[str, str]] = []
    found = load_documents(path, lambda suffix, error: failures.append((suffix, str(error))))
    assert [part.suffix for part in found] == ["#1", "#4"]
    assert [suffix for suffix, _ in failures] == ["#2", "#3"]
    assert failures[0][1].startswith(f"{path}#2: it is not valid JSON")
    assert failures[1][1] == f"{path}#3 holds no text"
    with pytest.raises(LoadError, match="#2: it is not valid JSON"):
        list(load_documents(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"id": "a", "text": "x"}, {"text": "y"}]', [("#a", "x"), ("#2", "y")]),
        ('{"title": "T", "text": "x"}', [("", "x")]),
        ('{"host": "db", "port": 5432}', [("", "host: db\nport: 5432")]),
        ('["a", "b"]', [("", '```json\n["a", "b"]\n```')]),
    ],
)
def test_json(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    found = parts(tmp_path / "x.json", text)
    assert [(part.suffix, part.document.content) for part in found] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": ', "not valid JSON: .* line 1"),
        ("[" * 100_000, "JSON cannot be read"),
        ('{"a": ' + "9" * 5000 + "}", "JSON cannot be read"),
        ("", "not valid JSON"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(LoadError, match=f"x.json: .*{reason}"):
        parts(tmp_path / "x.json", text)


def test_metadata_can_be_stored_as_jsonb(tmp_path: Path) -> None:
    text = '{"text": "a", "nul": "a\\u0000b", "nan": NaN, "big": 1e999, "half": "\\ud800"}'
    (part,) = parts(tmp_path / "x.json", text)
    assert part.document.metadata == {"nul": "ab", "half": "\ufffd"}


def test_a_file_of_several_documents_is_not_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('[{"text": "a"}, {"text": "b"}]')
    with pytest.raises(LoadError, match="holds several documents: load_documents gives them"):
        load_path(path)


# Delimited text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", "Plan,Price\nPro,20\n", ["Plan | Price", "Pro | 20"]),
        ("a.csv", "Plan;Price\nPro;20,5\n", ["Plan | Price", "Pro | 20,5"]),
        ("a.csv", "Plan|Price\nPro|20\n", ["Plan | Price", "Pro | 20"]),
        ("a.csv", "Plan\tPrice\nPro\t20\n", ["Plan | Price", "Pro | 20"]),
        ("a.tsv", "Plan\tPrice, net\nPro\t20\n", ["Plan | Price, net", "Pro | 20"]),
        ("a.csv", 'Plan,Note\n"Pro, big","a\nb|c"\n', ["Plan | Note", "Pro, big | a b\\|c"]),
        ("a.csv", "sep=;\nPlan;Price, net\nPro;20\n", ["Plan | Price, net", "Pro | 20"]),
        ("a.csv", "a,b,c\n1,2\n", ["a | b | c", "1 | 2 | "]),
        ("a.csv", "word\nother\n", ["word", "other"]),
    ],
)
def test_delimited_text_is_a_table(name: str, text: str, rows: list[str]) -> None:
    document = load_bytes(
        text.encode(), media_type="text/csv" if name == "a.csv" else "text/tab-separated-values", name=name
    )  # fmt: skip
    found = document.content.split("\n")
    assert [row.removeprefix("| ").removesuffix(" |") for row in (found[0], *found[2:])] == rows
    assert set(found[1]) == set("|- ")


def test_delimited_text_in_an_old_encoding(tmp_path: Path) -> None:
    (part,) = parts(tmp_path / "x.csv", "Stadt;Größe\nKöln;groß\nMünchen;größer\n".encode("cp1252"))
    assert "| München | größer |" in part.document.content


# Mail ------------------------------------------------------------------------------------------


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada <ada@example.org>"
    message["To"] = "bob@example.org"
    message["Subject"] = "Grüße: the refund"
    message["Date"] = "Wed, 01 May 2024 10:00:00 +0200"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


def test_a_mail_has_its_headers_as_metadata(tmp_path: Path) -> None:
    message = mail(Message_ID="<1@example.org>")
    message.set_content("Fünf Tage.\n")
    message.add_alternative("<p>Five <b>days</b>.</p>", subtype="html")
    (part,) = parts(tmp_path / "x.eml", message.as_bytes())
    assert (part.suffix, part.document.title) == ("", "Grüße: the refund")
    assert part.document.content.strip() == "Fünf Tage."
    assert part.document.metadata == {
        "from": "Ada <ada@example.org>",
        "to": "bob@example.org",
        "message_id": "<1@example.org>",
        "date": "2024-05-01T10:00:00+02:00",
    }


def test_a_mail_without_plain_text_gives_its_html_as_markdown(tmp_path: Path) -> None:
    message = mail()
    message.set_content("<h2>Größe</h2><ul><li>5 €</li></ul>", subtype="html", charset="cp1252")
    (part,) = parts(tmp_path / "x.eml", message.as_bytes())
    assert part.document.content.strip() == "## Größe\n\n- 5 €"


def attached() -> EmailMessage:
    document = FPDF()
    document.set_font("helvetica")
    document.add_page()
    document.cell(text="Invoice words.")
    message = mail()
    message.set_content("See the files.")
    for name, data, kind in (
        ("bill.pdf", bytes(document.output()), "application/pdf"),
        ("photo.png", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("notes", b"plain words", "text/plain"),
        ("broken.pdf", b"%PDF-1.4 nothing", "application/pdf"),
    ):
        main, _, sub = kind.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return message


def test_attachments_that_can_be_read_are_documents_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "x.eml"
    path.write_bytes(attached().as_bytes())
    failures: list[str] = []
    found = list(load_documents(path, lambda suffix, error: failures.append(str(error))))
    assert [(part.suffix, part.document.content.strip()) for part in found] == [
        ("", "See the files."),
        ("#bill.pdf", "Invoice words."),
        ("#notes", "plain words"),
    ]
    assert found[0].document.metadata["attachments"] == [
        "bill.pdf",
        "photo.png",
        "notes",
        "broken.pdf",
    ]
    assert found[1].document.title == "bill" and found[1].document.page_starts == (0,)
    (failure,) = failures
    assert failure.startswith(f"{path}#broken.pdf: it is a damaged PDF")


def test_mails_attached_to_mails(tmp_path: Path) -> None:
    inner = attached()
    outer = mail()
    outer.set_content("Outer.")
    outer.add_attachment(
        inner.as_bytes(), maintype="application", subtype="octet-stream", filename="in.eml"
    )
    path = tmp_path / "x.eml"
    path.write_bytes(outer.as_bytes())
    found = load_documents(path, lambda suffix, error: None)
    assert [part.suffix for part in found] == ["", "#in.eml", "#in.eml#bill.pdf", "#in.eml#notes"]


def test_a_mailbox_holds_a_document_for_each_message(tmp_path: Path) -> None:
    text = ""
    for body in ("First.\n>From here it is quoted.", "Second."):
        message = mail()
        message.set_content(body)
        text += f"From ada@example.org Wed May  1 10:00:00 2024\n{message.as_string(policy=email.policy.default)}\n"
    found = parts(tmp_path / "x.mbox", text)
    assert [part.suffix for part in found] == ["#1", "#2"]
    assert found[0].document.content.strip() == "First.\nFrom here it is quoted."


@pytest.mark.parametrize("data", [b"", b"just words\n", b"\x89PNG\r\n\x1a\n", b": x\n\n"])
def test_what_is_no_mail_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(LoadError, match=r"x.eml: it is no mail message"):
        parts(tmp_path / "x.eml", data)
    with pytest.raises(LoadError, match=r"x.mbox: "):
        parts(tmp_path / "x.mbox", data)


@pytest.mark.parametrize(
    "headers",
    [
        {"Date": "no date"},
        {"Subject": "=?utf-8?q?=ff=fe?="},
        {"Content-Type": 'text/plain; charset="no-such"'},
        {"Content-Type": "multipart/mixed"},
        {"To": "<<>>,,;"},
        {"Content-Transfer-Encoding": "base64"},
    ],
)
def test_damaged_headers_do_not_keep_a_mail_from_being_read(
    tmp_path: Path, headers: dict[str, Any]
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    (part,) = parts(tmp_path / "x.eml", f"From: a@example.org\r\n{head}\r\nSome words here.\r\n")
    assert part.document.content.strip()
