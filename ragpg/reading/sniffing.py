"""What a file is by its bytes, whatever its name says."""

from __future__ import annotations

import io
import zipfile

from ragpg.errors import LoadError
from ragpg.reading.media_types import (
    DOCX,
    EPUB,
    JPEG,
    ODP,
    ODS,
    ODT,
    OUTLOOK,
    PDF,
    PICTURE_MEDIA_TYPES,
    PNG,
    PPTX,
    RTF,
    TIFF,
    XLS,
    XLSB,
    XLSX,
)  # fmt: skip

MAX_UNPACKED_BYTES = 2**30
MAX_UNPACKED_FILES = 20_000
# Text in XML packs 10 to 30 times, a bomb 1,000 times; small files of blanks do no harm.
_MAX_RATIO = 200
_RATIO_COUNTS_FROM = 64 * 2**20

_PDF_HEAD = 1024  # where Adobe's readers look for the mark
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_OFFICE = (
    ("EncryptedPackage", "it is encrypted with a password: save it without one"),
    ("WordDocument", "it is an old Word document (.doc): save it as .docx"),
    ("PowerPoint Document", "it is an old PowerPoint document (.ppt): save it as .pptx"),
)
_OFFICE = {"word": DOCX, "ppt": PPTX, "xl": XLSX}
_PICTURES = {
    b"\x89PNG\r\n": PNG, b"\xff\xd8\xff": JPEG, b"II*\0": TIFF, b"MM\0*": TIFF, b"II+\0": TIFF,
}  # fmt: skip
_ARCHIVES = {
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"BZh91AY&SY": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"(\xb5/\xfd": "a zstd archive",
}


def sniff(data: bytes, declared: str = "") -> str | None:
    """Returns the media type of a binary document, None for anything else.

    Archives, and documents of formats that are not read, raise LoadError saying what to do.
    """
    if data.startswith(b"%PDF-") or (declared == PDF and b"%PDF-" in data[:_PDF_HEAD]):
        return PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _sniff_zip(data)
    if data.startswith(_OLE):
        return _sniff_old_office(data)
    if data.lstrip()[:5] == b"{\\rtf":
        return RTF
    if declared in PICTURE_MEDIA_TYPES:
        return next((kind for mark, kind in _PICTURES.items() if data.startswith(mark)), None)
    kinds = (kind for signature, kind in _ARCHIVES.items() if data.startswith(signature))
    kind = next(kinds, "a tar archive" if data[257:262] == b"ustar" else None)
    if kind is not None:
        raise LoadError(f"it is {kind}: unpack it and add what it holds")
    return None


def _sniff_zip(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_archive(archive, len(data))
            kind = _kind_of_archive(archive)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise LoadError("it is a damaged zip archive or Office document") from error
    if kind is None:
        raise LoadError("it is a zip archive: unpack it and add what it holds")
    return kind


def check_archive(archive: zipfile.ZipFile, packed: int) -> None:
    """Raises LoadError for an archive that is encrypted or unpacks to more than is reasonable."""
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_UNPACKED_FILES or unpacked > MAX_UNPACKED_BYTES:
        raise LoadError(
            f"it unpacks to {len(entries):,} files with {unpacked / 2**20:,.0f} MiB, "
            f"more than {MAX_UNPACKED_FILES:,} and {MAX_UNPACKED_BYTES / 2**20:,.0f}: split it"
        )
    if unpacked > _RATIO_COUNTS_FROM and unpacked > _MAX_RATIO * packed:
        raise LoadError(
            f"it unpacks to {unpacked // packed:,} times its size, as a zip bomb does: not read"
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise LoadError("it is encrypted with a password: save it without one")


def _kind_of_archive(archive: zipfile.ZipFile) -> str | None:
    names = set(archive.namelist())
    if "mimetype" in names:
        with archive.open("mimetype") as file:
            declared = file.read(100).decode("ascii", "replace").strip().removesuffix("-template")
        if declared in (ODT, ODS, ODP, EPUB):
            return declared
    if "META-INF/container.xml" in names:
        return EPUB
    folders = {name.partition("/")[0] for name in names if "[Content_Types].xml" in names}
    main = next((kind for folder, kind in _OFFICE.items() if folder in folders), None)
    return XLSB if "xl/workbook.bin" in names else main


def _sniff_old_office(data: bytes) -> str:
    """Returns the type of an OLE file; its directory, anywhere in it, names streams in UTF-16."""
    if "__properties_version1.0".encode("utf-16-le") in data:
        return OUTLOOK  # before what is attached to it
    for stream, reason in _OLD_OFFICE:
        if stream.encode("utf-16-le") in data:
            raise LoadError(reason)
    if any(name.encode("utf-16-le") in data for name in ("Workbook", "Book")):
        return XLS
    raise LoadError("it is an old Office document of an unknown kind: save it as a newer one")
