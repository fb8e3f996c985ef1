"""Bytes to clean text: encodings, and what Postgres cannot store."""

from __future__ import annotations

import codecs
import re
import unicodedata

from ragpg.errors import LoadError


def clean_text(text: str) -> str:
    """Returns the text without what Postgres refuses or would shift spans.

    NUL and leading byte order marks are gone, line ends are LF, lone surrogates are U+FFFD. All
    other characters stay, U+2028 too. Cleaning twice changes nothing.
    """
    text = text.replace("\0", "").lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"SQLite format 3", "an SQLite database"),
)
_SAMPLE = 4096
_CONTROLS = bytes({*range(32), 127} - {0x09, 0x0A, 0x0C, 0x0D, 0x1B})
_DECLARED_CHARSET = re.compile(
    rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)
_WIDE_ENCODINGS = ["utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "utf_7"]


def decode(data: bytes) -> str:
    """Returns the text in the bytes; binary content raises LoadError with the reason.

    A byte order mark decides, then the zeros of UTF-16, then UTF-8, then the charset an HTML or XML
    head declares, then the best guess.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    wide = _decode_wide(data)
    if wide is not None:
        return wide
    _refuse_binary(data)
    for encoding in ("utf-8", _declared_charset(data)):
        text = _decode_strictly(data, encoding)
        if text is not None:
            return text
    return _guess(data)


def _decode_wide(data: bytes) -> str | None:
    """Returns the text of UTF-16 without a mark, as PowerShell and databases write it.

    Of both orders that is the one which is all text, and has the more spaces and full stops.
    """
    if b"\0" not in data[:_SAMPLE] or len(data) < 8:
        return None
    if not _has_many_controls(data) and _decode_strictly(data, "utf-8") is not None:
        return None  # a text with a stray zero
    whole = data[: len(data) // 2 * 2]
    texts = (_decode_strictly(whole, name) for name in ("utf-16-le", "utf-16-be"))
    plain = [text for text in texts if text and all(map(_is_text, text[:_SAMPLE]))]
    best = max(plain, key=_spaces, default="")
    return best if best and _spaces(best) * 200 >= len(best) else None


def _is_text(letter: str) -> bool:
    return letter in "\t\n\f\r\x1b" or unicodedata.category(letter) not in ("Cc", "Cn", "Co")


def _spaces(text: str) -> int:
    return sum(map(text.count, " \n\u3001\u3002"))


def _refuse_binary(data: bytes) -> None:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            raise LoadError(f"this is {kind}, not text")
    if _has_many_controls(data):
        raise LoadError(
            f"this is binary, not text: {_controls(data)} of {len(data)} bytes are control codes"
        )


def _has_many_controls(data: bytes) -> bool:
    return _controls(data) > 4 + len(data) / 20  # random bytes have 10 %, text has a stray one


def _controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, _CONTROLS))


def _declared_charset(data: bytes) -> str:
    found = _DECLARED_CHARSET.search(data[:2048])
    return (found[1] or found[2]).decode("ascii") if found else ""


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    try:
        # As browsers do: what calls itself Latin-1 is cp1252, with its quotes and dashes.
        name = codecs.lookup(encoding).name
        return data.decode("cp1252" if name == "iso8859-1" else name)
    except (LookupError, UnicodeError):
        return None


def _guess(data: bytes) -> str:
    if len(data.translate(None, bytes(range(128)))) >= 8:  # fewer tell nothing about an encoding
        import charset_normalizer  # 20 ms, for what is not UTF-8

        matches = charset_normalizer.from_bytes(data, cp_exclusion=_WIDE_ENCODINGS)
        best = matches.best()
        if best is None:
            raise LoadError("this is binary, not text: no encoding fits its bytes")
        # Western European text also passes for cp1250 and others; cp1252 is far more common.
        if not any("cp1252" in match.could_be_from_charset for match in matches):
            return str(best)
    text = _decode_strictly(data, "cp1252")
    return text if text is not None else data.decode("latin-1")
