"""A mail message: its headers as metadata, its body as text, and the files attached to it."""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from itertools import pairwise
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.decoding import clean_text, decode
from ragpg.reading.html import read_html
from ragpg.reading.result import Reading

_HEADERS = ("from", "to", "cc", "message-id", "in-reply-to", "list-id")
_FORWARDED = ("From", "To", "Date", "Subject")
_EVENT = {
    "SUMMARY": "Event", "DTSTART": "Start", "DTEND": "End", "DUE": "Due", "LOCATION": "Place",
    "ORGANIZER": "Organizer", "STATUS": "Status", "DESCRIPTION": "Description",
}  # fmt: skip
# A name, parameters whose quoted values may hold any of :;, and a value: RFC 5545, 3.1.
_EVENT_LINE = re.compile(r'([\w-]+)((?:;[\w-]+=(?:"[^"]*"|[^":;])*)*):(.*)')
_EVENT_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?")
_EVENT_PARAMETER = re.compile(r';(TZID|CN)=(?:"([^"]*)"|([^":;]*))', re.IGNORECASE)
_MAX_PARTS = 1000
_HEADER = re.compile(rb"[!-9;-~]+:|[ \t]")
_KNOWN_HEADER = re.compile(rb"(?:from|to|date|subject|message-id|received):", re.IGNORECASE)
_FROM_LINE = re.compile(rb"\A>?From [^\n]*\n")  # of a mailbox, before its first header
_MBOX_START = re.compile(rb"^From .*\n", re.MULTILINE)


def is_mail(data: bytes) -> bool:
    """Returns whether the bytes begin with a mail's headers."""
    for line in data[:8192].lstrip().splitlines():
        if _KNOWN_HEADER.match(line):
            return True
        if not _HEADER.match(line):
            return False
    return False


def read_mail(data: bytes) -> tuple[Reading, list[tuple[str, str, bytes]]]:
    """Returns the message, and each attachment's name, media type and bytes.

    Raises LoadError for what is no mail message.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", "replace").encode()
    data = _FROM_LINE.sub(b"", data.lstrip(), count=1)
    if not is_mail(data):
        raise LoadError("it is no mail message: it does not begin with headers")
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return _message(message)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        # The email package raises all of these for headers that break its own rules.
        raise LoadError(f"its mail format is damaged: {error}") from error
    except RecursionError as error:
        raise LoadError("its parts are nested too deeply") from error


def split_mbox(data: bytes) -> Iterator[bytes]:
    """Yields the messages of a mailbox file; what is none raises LoadError."""
    starts = [
        found.start()
        for found in _MBOX_START.finditer(data)
        if not found.start() or data.endswith((b"\n\n", b"\n\r\n"), 0, found.start())
    ]
    if not starts:
        raise LoadError("it is no mailbox: no line begins with From")
    for start, end in pairwise([*starts, len(data)]):
        message = data[start:end].split(b"\n", 1)[1]
        yield re.sub(rb"^>(>*From )", rb"\1", message, flags=re.MULTILINE)


def _message(message: EmailMessage) -> tuple[Reading, list[tuple[str, str, bytes]]]:
    attachments = []
    for part in message.walk():
        name = part.get_filename()
        content = part.get_payload(decode=True) if name and not part.is_multipart() else None
        if name and isinstance(content, bytes):
            attachments.append((clean_text(name), part.get_content_type(), content))
        if len(attachments) > _MAX_PARTS:
            raise LoadError(f"it has more than {_MAX_PARTS:,} attachments")
    metadata = _metadata(message)
    if attachments:
        metadata["attachments"] = [name for name, _, _ in attachments]
    return Reading(str(message.get("subject", "")), _body(message), metadata), attachments


def _metadata(message: EmailMessage) -> dict[str, Any]:
    found = {name.replace("-", "_"): str(message.get(name, "")).strip() for name in _HEADERS}
    metadata: dict[str, Any] = {name: text for name, text in found.items() if text}
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        date = email.utils.parsedate_to_datetime(str(message.get("date", "")))
        metadata["date"] = date.isoformat()
    return metadata


def _body(message: EmailMessage) -> str:
    """Returns all that is shown of the message, in order, forwarded messages with their headers."""
    return "\n\n".join(text for text in map(str.strip, _texts(message)) if text)


def _texts(part: EmailMessage) -> Iterator[str]:
    kind = part.get_content_type()
    if kind == "message/rfc822":
        yield from map(_forwarded, _parts(part))
    elif kind == "multipart/alternative":
        yield _fullest([list(_texts(one)) for one in _parts(part)])
    elif part.is_multipart():
        for one in _parts(part):
            yield from _texts(one)
    elif part.get_filename() is None and kind.startswith(("text/", "multipart/")):
        data = part.get_payload(decode=True)
        text = _decoded(data if isinstance(data, bytes) else b"", part.get_content_charset() or "")
        if kind == "text/html":
            text = read_html(clean_text(text)).content
        yield _invitation(text) if kind == "text/calendar" else text


def _parts(part: EmailMessage) -> list[EmailMessage]:
    return [one for one in part.iter_parts() if isinstance(one, EmailMessage)]


def _forwarded(message: EmailMessage) -> str:
    headers = [f"{name}: {message[name]}" for name in _FORWARDED if message.get(name)]
    return "\n".join(headers) + "\n\n" + _body(message)


def _fullest(ways: list[list[str]]) -> str:
    """Returns the first way of saying it that has half of the words of the longest.

    The first is the plain one. Often it is blank, or says that another program shows more.
    """
    texts = ["\n\n".join(way) for way in ways]
    counts = [len(text.split()) for text in texts]
    return next((t for t, n in zip(texts, counts, strict=True) if n and 2 * n >= max(counts)), "")


def _invitation(text: str) -> str:
    """Returns what, when and where of an invitation (iCalendar, RFC 5545), a line each.

    Of events and tasks alone: time zones have starts, and alarms descriptions, of their own.
    """
    said: list[str] = []
    within = [""]
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():  # long lines are folded
        found = _EVENT_LINE.match(line)
        name, value = (found[1].upper(), found[3].strip()) if found else ("", "")
        if name == "BEGIN":
            within.append(value.upper())
            said += [""] if said and within[-1] in ("VEVENT", "VTODO") else []
        elif name == "END" and len(within) > 1:
            within.pop()
        elif found and name in _EVENT and within[-1] in ("VEVENT", "VTODO"):
            said.append(f"{_EVENT[name]}: {_event_value(value, found[2])}")
    return "\n".join(said)


def _event_value(value: str, parameters: str) -> str:
    """Returns times as ISO 8601 with their zone, organizers with their names, text unescaped."""
    given = {one[1].upper(): one[2] or one[3] for one in _EVENT_PARAMETER.finditer(parameters)}
    time = _EVENT_TIME.fullmatch(value)
    if time:
        clock = f" {time[4]}:{time[5]}" if time[4] else ""
        zone = "UTC" if time[6] else given.get("TZID", "").strip("/")
        return "-".join(time.groups()[:3]) + clock + (f" ({zone})" if zone and clock else "")
    address = re.sub("^mailto:", "", value, flags=re.IGNORECASE)
    if address != value:
        return f"{given['CN']} <{address}>" if given.get("CN") else address
    return re.sub(r"\\([nN,;\\])", lambda c: "\n" if c[1] in "nN" else c[1], value)


def _decoded(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset or "utf-8")
    except (LookupError, UnicodeError):
        return decode(data)
