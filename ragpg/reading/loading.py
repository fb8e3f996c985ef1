"""File, bytes or text -> documents: clean text, title and metadata. The one way in."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.csv import read_csv
from ragpg.reading.decoding import clean_text, decode
from ragpg.reading.finding import odd_kind
from ragpg.reading.markdown import first_h1, read_markdown
from ragpg.reading.media_types import (
    BINARY_MEDIA_TYPES,
    ISOLATED_MEDIA_TYPES,
    JSON,
    JSON_LINES,
    MAIL,
    MAILBOX,
    MARKDOWN_MEDIA_TYPES,
    MEDIA_TYPES,
    OCR_MEDIA_TYPES,
    ORG,
    OUTLOOK,
    PICTURE_MEDIA_TYPES,
    SUPPORTED,
    TABLE_MEDIA_TYPES,
    is_code,
)
from ragpg.reading.ocr_setting import ocr_is_wanted
from ragpg.reading.org import read_org
from ragpg.reading.records import read_json, read_json_lines
from ragpg.reading.remote import RemoteFile
from ragpg.reading.result import MAX_CHARACTERS, MAX_FILE_BYTES, Reading
from ragpg.reading.sniffing import sniff

LOADER_VERSION = "6"
"""Bumped when the same bytes would give another text."""

_MAILS = frozenset({MAIL, OUTLOOK})
_MAIL_DEPTH = 5  # of messages attached to messages


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document ready to be stored: Postgres and jsonb accept all of it.

    `page_starts` are the offsets in `content`, in code points and ascending, at which page 1, 2,
    3 ... start: pages of a PDF, slides, sheets, parts of a book. A blank page shares the start of
    the next one. Empty when the document has no pages.
    """

    title: str
    content: str
    media_type: str
    metadata: dict[str, Any]
    page_starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """One of the documents of a file: `suffix` after the file's source is the document's source.

    It is empty, "#" and a record's id or number, or "#" and the name of an attachment.
    """

    suffix: str
    document: LoadedDocument


OnFailure = Callable[[str, LoadError], None]
"""Hears the suffix of a part that cannot be read, and why; the others are read nevertheless."""


def load_documents(
    path: Path | RemoteFile, on_failure: OnFailure | None = None
) -> Iterator[LoadedPart]:
    """Yields the documents of the file; whatever is wrong with it raises LoadError.

    A part that cannot be read raises LoadError, too, unless `on_failure` is there to hear of it.
    """
    data = _read_file(path)
    media_type = _media_type(path, data)
    yield from _parts(data, media_type, clean_text(path.as_posix()), on_failure or _fail)


def load_path(path: Path | RemoteFile) -> LoadedDocument:
    """Returns the document in the file; one that holds several raises LoadError."""
    return _only(load_documents(path), path.as_posix())


def load_bytes(data: bytes, *, media_type: str, name: str) -> LoadedDocument:
    """Returns the document in the bytes; `name`, a path or URL, gives a title if nothing else."""
    return _only(_parts(data, media_type, name, _fail), name)


def load_text(text: str, *, media_type: str = "text/markdown", name: str) -> LoadedDocument:
    """Returns the document in the text; one without text raises LoadError."""
    if media_type in _READERS:
        return _document(_read_text(text, media_type), media_type, name)
    if media_type in BINARY_MEDIA_TYPES or media_type not in MEDIA_TYPES.values():
        raise LoadError(f"{media_type} is not read as text; supported: {', '.join(_READERS)}")
    return load_bytes(text.encode("utf-8", "replace"), media_type=media_type, name=name)


def load_record(reading: Reading, *, media_type: str, name: str) -> LoadedDocument:
    """Returns the document of a row of a table; one without text raises LoadError."""
    return _document(reading, media_type, name)


def _only(parts: Iterator[LoadedPart], name: str) -> LoadedDocument:
    first, second = next(parts, None), next(parts, None)
    if first is None:
        raise LoadError(f"{name} holds no text")
    if second is not None:
        raise LoadError(f"{name} holds several documents: load_documents gives them")
    return first.document


def _fail(suffix: str, error: LoadError) -> None:
    raise error


def _at(name: str, place: str, error: LoadError) -> LoadError:
    """Returns the error with where it happened, unless it says so."""
    return error if str(error).startswith(name) else LoadError(f"{place}: {error}")


# Files and what is in them ---------------------------------------------------------------------


def digest_of_file(path: Path | RemoteFile) -> bytes:
    """Returns the SHA-256 of the file's bytes; raises as `check_size`.

    That of a file elsewhere is of what says that it changed. It is another one where scans are
    recognised: then the same bytes give another text.
    """
    if isinstance(path, RemoteFile):
        digest = hashlib.sha256(path.digest())
    else:
        with path.open("rb") if check_size(path) else io.BytesIO() as file:
            digest = hashlib.file_digest(file, "sha256")
    if MEDIA_TYPES.get(path.suffix.lower()) in OCR_MEDIA_TYPES and ocr_is_wanted():
        digest.update(b"recognised")
    return digest.digest()


def check_size(path: Path) -> int:
    """Returns the file's size.

    Raises LoadError for one that is too large or no file, OSError for one that is not there.
    """
    if kind := odd_kind(path):
        raise LoadError(f"{path} is no file but {kind}")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise LoadError(
            f"{path} has {size / 2**20:,.0f} MiB, more than {MAX_FILE_BYTES // 2**20}: split it"
        )
    return size


def _read_file(path: Path | RemoteFile) -> bytes:
    if isinstance(path, RemoteFile):
        return path.read()
    try:
        # One of /proc, of size 0, may have no end.
        return path.read_bytes() if check_size(path) else b""
    except OSError as error:
        raise LoadError(f"{path} cannot be read: {error.strerror or error}") from error


def _media_type(path: Path | RemoteFile, data: bytes) -> str:
    """Returns the type the name tells; for a name that tells none, that of a binary document."""
    try:
        media_type = MEDIA_TYPES.get(path.suffix.lower()) or sniff(data)
    except LoadError as error:
        raise LoadError(f"{path}: {error}") from error
    if media_type is None:
        kind = f"{path.suffix} files" if path.suffix else "files without a suffix"
        raise LoadError(f"{path}: {kind} are not read yet; supported: {SUPPORTED}")
    return media_type


def _parts(data: bytes, declared: str, name: str, fail: OnFailure) -> Iterator[LoadedPart]:
    """Yields the documents in the bytes, read as what they are where that is not what they say."""
    try:
        media_type = _actual_type(data, declared)
        if media_type in TABLE_MEDIA_TYPES:
            raise LoadError("its rows are read by `ragpg add`: inspect its collection then")
        if media_type == JSON:
            yield from _records(read_json(clean_text(decode(data))), JSON, name, fail)
        elif media_type == JSON_LINES:
            yield from _records(read_json_lines(clean_text(decode(data))), JSON_LINES, name, fail)
        elif media_type == MAILBOX:
            yield from _mailbox(data, name, fail)
        elif media_type in _MAILS:
            yield from _mail(_as_mail(data, media_type), name, "", fail, _MAIL_DEPTH)
        else:
            yield LoadedPart("", _single(data, media_type, name))
    except LoadError as error:
        if str(error).startswith(name):
            raise
        raise LoadError(f"{name}: {error}") from error


def _actual_type(data: bytes, declared: str) -> str:
    found = sniff(data, declared)
    if found is not None or declared not in BINARY_MEDIA_TYPES:
        return found or declared
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    what = "is empty" if not data.strip(b"\0\r\n\t ") else "holds something else or is damaged"
    named = next(suffix for suffix, one in MEDIA_TYPES.items() if one == declared)
    raise LoadError(f"it is named as {named} but {what}")


# One document ----------------------------------------------------------------------------------


def _single(data: bytes, media_type: str, name: str, file: str = "") -> LoadedDocument:
    if media_type in ISOLATED_MEDIA_TYPES:
        from ragpg.reading.process import read_isolated

        return _document(read_isolated(data, media_type), media_type, name, file)
    return _document(_read_text(decode(data), media_type), media_type, name, file)


def _read_text(text: str, media_type: str) -> Reading:
    reader = _READERS.get(media_type)
    if reader is None:
        raise LoadError(f"{media_type} is not read yet; supported: {', '.join(_READERS)}")
    if len(text) > MAX_CHARACTERS:
        raise LoadError(f"it holds more than {MAX_CHARACTERS:,} characters: split it")
    return reader(clean_text(text))


def _document(reading: Reading, media_type: str, name: str, file: str = "") -> LoadedDocument:
    """Returns the reading as a document; one without text raises LoadError.

    `file`, by default the name, gives the title if nothing else does.
    """
    content = clean_text(reading.content)
    if not content.strip():
        raise LoadError(f"{name} holds no text")
    title = " ".join(reading.title.split())
    if not title and media_type in MARKDOWN_MEDIA_TYPES:
        title = first_h1(content)
    title = clean_text(title or _stem(file or name))
    metadata = _clean_metadata(reading.metadata)
    return LoadedDocument(title, content, media_type, metadata, reading.page_starts)


def _clean_metadata(value: Any) -> Any:
    """Returns the metadata with texts that jsonb takes."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): _clean_metadata(one) for key, one in value.items()}
    return list(map(_clean_metadata, value)) if isinstance(value, list) else value


def _stem(name: str) -> str:
    base = name.rstrip("/").rsplit("/", 1)[-1]
    stem, suffix = os.path.splitext(base)
    return (stem if suffix.lower() in MEDIA_TYPES else base) or name


# Several documents in a file -------------------------------------------------------------------


def _records(
    records: Iterable[tuple[str, Reading | LoadError]], media_type: str, name: str, fail: OnFailure
) -> Iterator[LoadedPart]:
    seen: dict[str, int] = {}
    for label, record in records:
        suffix = part_suffix(label, seen) if label else ""
        if isinstance(record, LoadError):
            fail(suffix, LoadError(f"{name}{suffix}: {record}"))
        else:
            read = partial(_document, record, media_type, name + suffix)
            yield from _attempt(suffix, name, fail, read)


def part_suffix(label: str, seen: dict[str, int]) -> str:
    """Returns the label as a suffix that no other part of the file has.

    `seen` holds those of the parts before, with the last number given to each.
    """
    plain = suffix = f"#{' '.join(clean_text(label).split())}"
    number = seen.get(plain, 0)
    while suffix in seen:
        number += 1
        suffix = f"{plain}#{number}"
    seen[plain] = number
    seen.setdefault(suffix, 0)
    return suffix


def _mailbox(data: bytes, name: str, fail: OnFailure) -> Iterator[LoadedPart]:
    from ragpg.reading.mail import split_mbox

    for number, message in enumerate(split_mbox(data), 1):
        suffix = f"#{number}"
        try:
            yield from _mail(message, name, suffix, fail, _MAIL_DEPTH)
        except LoadError as error:
            fail(suffix, _at(name, name + suffix, error))


def _as_mail(data: bytes, media_type: str) -> bytes:
    if media_type == MAIL:
        return data
    from ragpg.reading.process import read_isolated

    return read_isolated(data, media_type).content.encode()


def _mail(data: bytes, name: str, suffix: str, fail: OnFailure, depth: int) -> Iterator[LoadedPart]:
    """Yields the message, and those files attached to it that can be read."""
    from ragpg.reading.mail import read_mail  # the standard library's email is slow to import

    reading, attachments = read_mail(data)
    if reading.content.strip() or not attachments:
        read = partial(_document, reading, MAIL, name + suffix)
        yield from _attempt(suffix, name, fail, read)
    seen: dict[str, int] = {}
    for file, media_type, content in attachments:
        kind = MEDIA_TYPES.get(os.path.splitext(file)[1].lower(), media_type)
        own = suffix + part_suffix(file, seen)
        if kind in _MAILS and depth:
            yield from _mail(_as_mail(content, kind), name, own, fail, depth - 1)
        elif kind in PICTURE_MEDIA_TYPES and not ocr_is_wanted():
            continue
        elif kind in _READERS or kind in ISOLATED_MEDIA_TYPES:
            read = partial(_attached, content, kind, name + own, file)
            yield from _attempt(own, name, fail, read)


def _attached(data: bytes, declared: str, name: str, file: str) -> LoadedDocument:
    return _single(data, _actual_type(data, declared), name, file)


def _attempt(
    suffix: str, name: str, fail: OnFailure, read: Callable[[], LoadedDocument]
) -> Iterator[LoadedPart]:
    try:
        yield LoadedPart(suffix, read())
    except LoadError as error:
        fail(suffix, _at(name, name + suffix, error))


# Text formats ----------------------------------------------------------------------------------


def _read_plain(text: str) -> Reading:
    return Reading("", text)


def _read_html(text: str) -> Reading:
    from ragpg.reading.html import read_html  # a parser and a converter, not needed by all

    return read_html(text)


_READERS: Mapping[str, Callable[[str], Reading]] = MappingProxyType(
    {
        "text/markdown": read_markdown,
        "text/html": _read_html,
        "text/plain": _read_plain,
        "text/asciidoc": _read_plain,
        ORG: read_org,
        "text/csv": read_csv,
        "text/tab-separated-values": partial(read_csv, delimiter="\t"),
        **dict.fromkeys(filter(is_code, MEDIA_TYPES.values()), _read_plain),
    }
)
