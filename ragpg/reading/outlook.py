"""An Outlook message ([MS-OXMSG]) as the mail message it was: one reader reads both."""

from __future__ import annotations

import email.policy
import email.utils
import io
import mimetypes
import struct
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import HeaderParser

import compressed_rtf
import olefile

from ragpg.errors import LoadError
from ragpg.reading.decoding import clean_text, decode
from ragpg.reading.result import Reading
from ragpg.reading.rtf import code_page, packed_html, read_rtf

_MAX_DEPTH = 5  # of messages attached to messages
_MAX_PARTS = 1000
_PROPERTIES = "__properties_version1.0"
_HEADERS = ("From", "To", "Cc", "Date", "Message-ID", "In-Reply-To", "List-ID")
_SUBJECT, _SENT, _DELIVERED, _TRANSPORT_HEADERS = 0x0037, 0x0039, 0x0E06, 0x007D
_SENDER = (0x0C1A, 0x0042), (0x5D01, 0x5D02, 0x0C1F, 0x0065)
_MESSAGE_ID, _IN_REPLY_TO = 0x1035, 0x1042
_BODY, _HTML, _RTF = 0x1000, 0x1013, 0x1009
_NAME, _SMTP_ADDRESS, _ADDRESS, _RECIPIENT_KIND = 0x3001, 0x39FE, 0x3003, 0x0C15
_KINDS = {1: "To", 2: "Cc"}
_DATA, _FILE_NAMES, _MEDIA_TYPE = 0x3701, (0x3707, 0x3704, 0x3001), 0x370E
_BODY_CODE_PAGE, _CODE_PAGE = 0x3FDE, 0x3FFD
_BEGIN = datetime(1601, 1, 1, tzinfo=UTC)


def read_outlook(data: bytes) -> Reading:
    """Returns the message as the text of a mail message (RFC 5322), all of it ASCII."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            message = _Storage(file, ()).message(_MAX_DEPTH)
    except (OSError, struct.error, IndexError, AttributeError, TypeError) as error:
        raise LoadError(f"it is a damaged Outlook message ({error}): save it again") from error
    return Reading("", message.as_bytes().decode("ascii", "replace"))


class _Storage:
    """A message, a recipient or an attachment: a folder of the file, with numbered properties."""

    def __init__(self, file: olefile.OleFileIO, path: tuple[str, ...]) -> None:
        self._file, self._path = file, path
        self._code_page = ""
        self._fixed: dict[int, bytes] = {}
        head = 8 if path and path[-1].startswith(("__recip", "__attach")) else 24 if path else 32
        properties = self._stream(_PROPERTIES)
        for at in range(head, len(properties) - 15, 16):
            _, number, _, value = struct.unpack_from("<HHI8s", properties, at)
            self._fixed[number] = value
        self._code_page = code_page(self._number(_CODE_PAGE))

    def _stream(self, name: str) -> bytes:
        path = [*self._path, name]
        if not self._file.exists(path) or self._file.get_type(path) != olefile.STGTY_STREAM:
            return b""
        data: bytes = self._file.openstream(path).read()
        return data

    def _number(self, number: int) -> int:
        return int.from_bytes(self._fixed.get(number, b"")[:4], "little")

    def _text(self, *numbers: int) -> str:
        """Returns the first of these properties that says something."""
        for number in numbers:
            wide = self._stream(f"__substg1.0_{number:04X}001F")
            narrow = self._stream(f"__substg1.0_{number:04X}001E")
            page = self._code_page
            if number in (_BODY, _HTML):
                page = code_page(self._number(_BODY_CODE_PAGE), page)
            text = wide.decode("utf-16-le", "replace") or narrow.decode(page, "replace")
            if text.strip("\0 \r\n\t"):
                return clean_text(text)
        return ""

    def _binary(self, number: int) -> bytes:
        return self._stream(f"__substg1.0_{number:04X}0102")

    def _inside(self, kind: str) -> Iterator[_Storage]:
        depth = len(self._path)
        found = {
            tuple(path[: depth + 1])
            for path in self._file.listdir(streams=True, storages=False)
            if tuple(path[:depth]) == self._path and len(path) > depth + 1
        }
        for path in sorted(found):
            if path[-1].startswith(kind):
                yield _Storage(self._file, path)

    # The message -------------------------------------------------------------------------------

    def message(self, depth: int) -> EmailMessage:
        message = EmailMessage(policy=email.policy.SMTP)
        for name, value in self._headers().items():
            with suppress(
                ValueError, IndexError, TypeError, AttributeError
            ):  # breaks its own rules
                message[name] = " ".join(clean_text(value).split())
        plain, html = self._bodies()
        message.set_content(plain, cte="base64")
        if html:
            message.add_alternative(html, subtype="html", cte="base64")
        for number, part in enumerate(self._inside("__attach_version1.0")):
            if number >= _MAX_PARTS:
                raise LoadError(f"it has more than {_MAX_PARTS:,} attachments")
            part.attach_to(message, depth)
        return message

    def _headers(self) -> dict[str, str]:
        told = HeaderParser(policy=email.policy.compat32).parsestr(self._text(_TRANSPORT_HEADERS))
        found = {name: str(told[name]) for name in _HEADERS if told[name]}
        own = {
            "From": _address(self._text(*_SENDER[0]), self._text(*_SENDER[1])),
            "Date": self._date(_SENT) or self._date(_DELIVERED),
            "Message-ID": self._text(_MESSAGE_ID), "In-Reply-To": self._text(_IN_REPLY_TO),
            **self._recipients(),
        }  # fmt: skip
        told_or_own = {name: value for name, value in {**own, **found}.items() if value}
        return {"Subject": self._text(_SUBJECT), **told_or_own}

    def _date(self, number: int) -> str:
        ticks = int.from_bytes(self._fixed.get(number, b""), "little")
        with suppress(OverflowError):
            moment = _BEGIN + timedelta(microseconds=ticks // 10)
            return email.utils.format_datetime(moment) if ticks else ""
        return ""

    def _recipients(self) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        for one in self._inside("__recip_version1.0"):
            kind = _KINDS.get(one._number(_RECIPIENT_KIND))
            if kind:
                address = _address(one._text(_NAME), one._text(_SMTP_ADDRESS, _ADDRESS))
                found.setdefault(kind, []).append(address)
        return {kind: ", ".join(filter(None, all_)) for kind, all_ in found.items()}

    def _bodies(self) -> tuple[str, str]:
        """Returns the plain text and the HTML; often the only one is Rich Text, compressed."""
        plain, html = self._text(_BODY), self._text(_HTML)
        if data := self._binary(_HTML):
            page = code_page(self._number(_BODY_CODE_PAGE), "")
            html = data.decode(page, "replace") if page else decode(data)
        if not html and (packed := self._rich_text()):
            with suppress(LoadError):
                html = packed_html(packed)
                plain = plain if plain or html else read_rtf(packed).content
        return plain, clean_text(html)

    def _rich_text(self) -> bytes:
        with suppress(Exception):  # it raises nothing narrower
            data: bytes = compressed_rtf.decompress(self._binary(_RTF))
            return data
        return b""

    def attach_to(self, message: EmailMessage, depth: int) -> None:
        """Adds this attachment, a file or a message, to the message."""
        own = f"__substg1.0_{_DATA:04X}000D"
        if depth and self._file.exists([*self._path, own, _PROPERTIES]):
            inner = _Storage(self._file, (*self._path, own)).message(depth - 1)
            message.add_attachment(inner)
            return
        name = self._text(*_FILE_NAMES).strip("\0") or "attachment"
        guessed = self._text(_MEDIA_TYPE) or mimetypes.guess_type(name)[0] or ""
        main, _, sub = guessed.strip("\0").partition("/")
        if not sub or main in ("multipart", "message") or not f"{main}{sub}".isascii():
            main, sub = "application", "octet-stream"
        data = self._binary(_DATA)
        if data:
            message.add_attachment(
                data, maintype=main, subtype=sub, filename=" ".join(name.split())
            )


def _address(name: str, address: str) -> str:
    name, address = name.strip("\0 "), address.strip("\0 ")
    if "@" not in address or name == address:
        return name or address
    return email.utils.formataddr((name, address)) if name.isascii() else f"{name} <{address}>"
