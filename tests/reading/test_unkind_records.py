"""Mails, records, tables and sheets as people have them: what is said in them is read."""

from __future__ import annotations

import json
from email.message import EmailMessage
from typing import Any

import pytest

from ragpg.reading import load_bytes
from ragpg.reading.csv import read_csv
from ragpg.reading.records import read_json_lines
from tests.reading.office_files import workbook

PLAIN, HTML = "The pump is replaced on the 21st of May.", "<p>The <b>pump</b> is replaced.</p>"


def mail(*parts: tuple[str, str], kind: str = "mixed") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = "a@example.com", "Pump"
    getattr(message, f"make_{kind}")()
    for subtype, text in parts:
        part = EmailMessage()
        part.set_content(text, subtype=subtype)
        message.attach(part)
    return message


def read(message: EmailMessage | bytes) -> str:
    data = message if isinstance(message, bytes) else bytes(message)
    return load_bytes(data, name="m.eml", media_type="message/rfc822").content.strip()


@pytest.mark.parametrize(
    ("plain", "is_read"),
    [(PLAIN, True), (" \n\n ", False), ("This message is in HTML.", False), ("", False)],
)
def test_of_two_ways_the_one_that_says_something_is_read(plain: str, is_read: bool) -> None:
    said = "<p>Your order 4711 of the blue kettle has been shipped and arrives on Friday.</p>"
    found = read(
        mail(("plain", plain), ("html", said if not is_read else HTML), kind="alternative")
    )
    assert found == PLAIN if is_read else "order 4711" in found and "in HTML" not in found


def test_all_inline_parts_are_read_in_order() -> None:
    found = read(mail(("html", HTML), ("plain", "-- \nThe list's footer"), ("plain", "And more.")))
    assert found.index("replaced") < found.index("footer") < found.index("And more.")
    nested = mail(("plain", "Before."))
    nested.attach(mail(("plain", PLAIN), ("html", HTML), kind="alternative"))
    assert read(nested) == f"Before.\n\n{PLAIN}"


def test_forwarded_messages_are_read_with_their_headers() -> None:
    inner = mail(("plain", "Inspected on the 3rd of June."))
    for name in (None, "forwarded.eml"):
        outer = EmailMessage()
        outer["From"] = "b@example.com"
        outer.set_content("See below.")
        outer.add_attachment(inner, filename=name)
        assert read(outer) == (
            "See below.\n\nFrom: a@example.com\nSubject: Pump\n\nInspected on the 3rd of June."
        )
    digest = (
        b"From: l@example.com\nContent-Type: multipart/digest; boundary=x\n\n"
        b"--x\n\nSubject: First\n\nOne.\n--x\n\nSubject: Second\n\nTwo.\n--x--\n"
    )
    assert read(digest) == "Subject: First\n\nOne.\n\nSubject: Second\n\nTwo."


def test_an_invitation_says_what_when_and_where() -> None:
    event = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Inspection\\, boiler\r\n"
        "DTSTART;TZID=Europe/Berlin:20240603T090000\r\nLOCATION:Building\r\n  C\r\n"
        "UID:1\r\nEND:VEVENT\r\nEND:VCALENDAR"
    )
    found = read(mail(("plain", "You are invited."), ("calendar", event)))
    assert found == (
        "You are invited.\n\nEvent: Inspection, boiler\nStart: 2024-06-03 09:00 (Europe/Berlin)\n"
        "Place: Building C"
    )


ZONE = """BEGIN:VTIMEZONE
TZID:GMT+01:00
BEGIN:STANDARD
DTSTART:16011028T030000
END:STANDARD
END:VTIMEZONE
"""
ALARM = "BEGIN:VALARM\nDESCRIPTION:Reminder\nEND:VALARM\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('DTSTART;TZID="GMT+01:00":20240603T090000', "Start: 2024-06-03 09:00 (GMT+01:00)"),
        ("DTSTART:20240603T090000Z", "Start: 2024-06-03 09:00 (UTC)"),
        ("DTSTART;VALUE=DATE:20240603", "Start: 2024-06-03"),
        ("STATUS:CANCELLED", "Status: CANCELLED"),
        ('ORGANIZER;CN="Ann: B":MAILTO:a@example.com', "Organizer: Ann: B <a@example.com>"),
        ("ORGANIZER:mailto:a@example.com", "Organizer: a@example.com"),
        ('DESCRIPTION;ALTREP="cid:1";LANGUAGE=en:Ask: why?\\nNow', "Description: Ask: why?\nNow"),
        ("SUMMARY:C:\\\\new", "Event: C:\\new"),
        ("DTSTART:soon", "Start: soon"),
        ("BEGIN:X-OWN\nSUMMARY:inner\nEND:X-OWN", ""),
    ],
)
def test_an_invitation_is_of_its_event_alone(lines: str, said: str) -> None:
    """Neither of the time zone nor of an alarm, which have starts and descriptions, too."""
    for order in ((ALARM, lines + "\n"), (lines + "\n", ALARM)):
        event = "BEGIN:VEVENT\n" + "".join(order) + "END:VEVENT\n"
        calendar = f"BEGIN:VCALENDAR\n{ZONE}{event}END:VCALENDAR\n"
        found = read(mail(("plain", "You are invited."), ("calendar", calendar)))
        assert found == f"You are invited.\n\n{said}".strip()


def test_each_event_of_an_invitation_is_apart() -> None:
    event = "BEGIN:VEVENT\nSUMMARY:Lunch\nEND:VEVENT\n"
    calendar = f"BEGIN:VCALENDAR\n{event}{event}END:VCALENDAR\n"
    assert read(mail(("calendar", calendar))) == "Event: Lunch\n\nEvent: Lunch"


@pytest.mark.parametrize("start", [b"From a@example.com Mon Mar  4 10:00:00 2024\n", b">From x\n"])
def test_a_mail_out_of_a_mailbox_is_one(start: bytes) -> None:
    assert read(start + bytes(mail(("plain", PLAIN)))) == PLAIN


def test_a_mail_in_utf_16() -> None:
    written = f"From: a@example.com\nSubject: Pumpe größer\n\n{PLAIN}\n"
    assert read(written.encode("utf-16")) == PLAIN


@pytest.mark.parametrize(
    ("record", "content", "metadata"),
    [
        ({"page_content": "T.", "metadata": {"brand": "B", "n": 1}}, "T.", {"brand": "B", "n": 1}),
        ({"text": ["One.", "Two."], "lang": "en"}, "One.\n\nTwo.", {"lang": "en"}),
        ({"text": "T", "metadata": {"a": 1, "b": 2}, "a": 3}, "T", {"a": 3, "b": 2}),
        ({"text": "T", "tags": ["x", "y"], "by": {"name": "N", "at": [1]}, "none": None}, "T",
         {"tags": ["x", "y"], "by": {"name": "N", "at": [1]}, "none": None}),
        ({"text": "T", "embedding": [0.5] * 384, "deep": {"vector": [1] * 101}}, "T", {}),
        ({"text": "T", "metadata": "words"}, "T", {"metadata": "words"}),
        ({"text": [], "body": "B"}, "B", {"text": []}),
    ],
)  # fmt: skip
def test_records_keep_what_they_say(
    record: dict[str, Any], content: str, metadata: dict[str, Any]
) -> None:
    ((_, found),) = read_json_lines(json.dumps(record))
    assert not isinstance(found, Exception)
    assert (found.content, found.metadata) == (content, metadata)


@pytest.mark.parametrize(
    ("text", "above", "header"),
    [
        ("Sales\nof 2024\n\na;b;c\n1;2;3\n4;5;6\n", "Sales\n\nof 2024\n\n", "| a | b | c |"),
        ("Sales;;\n;;\na;b;c\n1;2;3\n", "Sales\n\n", "| a | b | c |"),
        ("name,\na,1\nb,2\n", "", "| name |  |"),
        (",2024\nNorth,1\n", "", "|  | 2024 |"),
        ("a\nb\nc\n", "", "| a |"),
    ],
)
def test_titles_stand_above_the_table(text: str, above: str, header: str) -> None:
    assert read_csv(text).content.startswith(above + header + "\n| ---")


def test_rows_of_equal_cells_stay_rows() -> None:
    data = workbook(Sheet=[["yes", "yes"]] * 3, Zeros=[[0, 0, 0], [0, 0, 0], [1, 0, 1]])
    found = load_bytes(
        data,
        name="a.xlsx",
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ).content
    assert found.count("yes") == 6 and "| 0 | 0 | 0 |\n| ---" in found
