"""A document that is a zip of XML files (DOCX, ODF, EPUB): its parts, read with limits."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator

from lxml import etree

from ragpg.errors import LoadError
from ragpg.reading.sniffing import MAX_UNPACKED_BYTES, check_archive

# ISO's strict variant of Office files says the same under other names.
_STRICT = (
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships",
     b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"),
    (b"http://purl.oclc.org/ooxml/wordprocessingml/main",
     b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"),
    (b"http://purl.oclc.org/ooxml/officeDocument/math",
     b"http://schemas.openxmlformats.org/officeDocument/2006/math"),
)  # fmt: skip


class ZipPackage:
    """The parts of a document, by name."""

    def __init__(self, data: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as error:
            raise LoadError("it is a damaged zip archive") from error
        check_archive(self._archive, len(data))
        self.names = frozenset(self._archive.namelist())

    def read(self, name: str) -> bytes:
        """Returns a part's bytes; a missing or damaged one raises LoadError."""
        try:
            with self._archive.open(name) as file:
                data = file.read(MAX_UNPACKED_BYTES)
        except KeyError as error:
            raise LoadError(f"it has no part {name}: save it again") from error
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError) as error:
            raise LoadError(f"its part {name} is damaged: save it again") from error
        return data

    def xml(self, name: str) -> etree._Element:
        """Returns a part's root element."""
        return parse_xml(self.read(name), name)

    def xml_or_none(self, name: str) -> etree._Element | None:
        """Returns a part's root element, None where the part is missing or damaged."""
        try:
            return self.xml(name)
        except LoadError:
            return None

    def related(self, kind: str) -> Iterator[str]:
        """Yields the parts the package as a whole relates to, whose relationship ends in kind."""
        root = self.xml_or_none("_rels/.rels")
        for element in root.iter("{*}Relationship") if root is not None else ():
            if element.get("Type", "").endswith(f"/{kind}"):
                yield posixpath.normpath(element.get("Target", "").lstrip("/"))


def parse_xml(data: bytes, name: str) -> etree._Element:
    """Returns the root element; entities are not expanded and nothing is fetched.

    What is malformed is read as far as it goes; nothing at all raises LoadError.
    """
    for strict, usual in _STRICT:
        data = data.replace(strict, usual)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise LoadError(f"its part {name} is malformed XML: save it again") from error
    if root is None:
        raise LoadError(f"its part {name} is malformed XML: save it again")
    return root


def core_metadata(package: ZipPackage) -> tuple[str, dict[str, str]]:
    """Returns the title and author, subject, keywords, created and modified of an Office file."""
    name = next(package.related("core-properties"), "docProps/core.xml")
    root = package.xml_or_none(name)
    found = {
        etree.QName(element).localname: element.text.strip()
        for element in (root if root is not None else ())
        if isinstance(element.tag, str) and element.text and element.text.strip()
    }
    renamed = {
        "author": found.get("creator"),
        "subject": found.get("subject"),
        "keywords": found.get("keywords"),
        "created": found.get("created", "")[:10],
        "modified": found.get("modified", "")[:10],
    }
    return found.get("title", ""), {key: value for key, value in renamed.items() if value}
