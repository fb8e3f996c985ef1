"""A document that is a zip of XML files (DOCX, ODF, EPUB): its parts, read with limits."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress

from lxml import etree

from ragpg.errors import LoadError
from ragpg.reading.sniffing import MAX_UNPACKED_BYTES, check_archive

# ISO's strict variant of Office files says the same under other names.
_STRICT = re.compile(
    rb"http://purl\.oclc\.org/ooxml/(?:(officeDocument)/(relationships|math)|(wordprocessingml)/(main))"
)
_USUAL = rb"http://schemas.openxmlformats.org/\1\3/2006/\2\4"


_DAMAGE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError,
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
        # Parts are named without regard to case (ECMA-376 part 2, 6.2.2.3).
        self._spelt = {name.lower(): name for name in self.names}

    def read(self, name: str) -> bytes:
        """Returns a part's bytes; a missing or damaged one raises LoadError."""
        try:
            with self._archive.open(name) as file:
                return file.read(MAX_UNPACKED_BYTES)
        except KeyError as error:
            raise LoadError(f"it has no part {name}: save it again") from error
        except _DAMAGE as error:
            raise LoadError(f"its part {name} is damaged: save it again") from error

    def xml(self, name: str) -> etree._Element:
        """Returns a part's root element; entities are not expanded and nothing is fetched.

        What is malformed is read as far as it goes; nothing at all raises LoadError.
        """
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=True
        )
        data = _STRICT.sub(_USUAL, self.read(name))
        with suppress(etree.XMLSyntaxError, ValueError):
            root = etree.fromstring(data, parser)
            if root is not None:
                return root
        raise LoadError(f"its part {name} is malformed XML: save it again")

    def elements(self, name: str, *names: str) -> Iterator[etree._Element]:
        """Yields the part's elements of these names as they end, and forgets them: for large parts.

        What is malformed is read as far as it goes; a missing or damaged part raises LoadError.
        """
        if name not in self.names:
            raise LoadError(f"it has no part {name}: save it again")
        try:
            with self._archive.open(name) as file:
                for _, element in etree.iterparse(
                    file, tag=names, resolve_entities=False, no_network=True, load_dtd=False,
                    recover=True, huge_tree=True,
                ):  # fmt: skip
                    yield element
                    element.clear()
                    parent = element.getparent()
                    while parent is not None and element.getprevious() is not None:
                        del parent[0]
        except etree.XMLSyntaxError as error:
            raise LoadError(f"its part {name} is malformed XML: save it again") from error
        except _DAMAGE as error:
            raise LoadError(f"its part {name} is damaged: save it again") from error

    def xml_or_none(self, name: str) -> etree._Element | None:
        """Returns a part's root element, None where the part is missing or damaged."""
        try:
            return self.xml(name)
        except LoadError:
            return None

    def related(self, kind: str, part: str = "") -> Iterator[tuple[str, str]]:
        """Yields the ids and names of the parts that a part, or all, is in such a relation to."""
        folder, name = posixpath.split(part)
        root = self.xml_or_none(posixpath.join(folder, f"_rels/{name}.rels"))
        for element in root.iter("{*}Relationship") if root is not None else ():
            if element.get("Type", "").endswith(f"/{kind}"):
                target = posixpath.join("/", folder, element.get("Target", ""))
                name = posixpath.normpath(target).lstrip("/")
                yield element.get("Id", ""), self._spelt.get(name.lower(), name)

    def main(self, kind: str, usual: str) -> str:
        """Returns the name of the part to which all is in such a relation."""
        return next((name for _, name in self.related(kind)), usual)


_CORE = {"creator": "author", "subject": "subject", "keywords": "keywords", "created": "created",
         "modified": "modified"}  # fmt: skip


def core_metadata(package: ZipPackage) -> tuple[str, dict[str, str]]:
    """Returns the title and author, subject, keywords, created and modified of an Office file."""
    name = package.main("core-properties", "docProps/core.xml")
    return described(package.xml_or_none(name), _CORE)


def described(root: etree._Element | None, names: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Returns the title and, under the names given for them, what other elements say.

    Of when a file was created and modified only the day is told.
    """
    title, found = "", dict[str, str]()
    for element in root.iter("{*}*") if root is not None else ():
        # Not through QName: what is malformed may hold names that are none.
        name, text = element.tag.rpartition("}")[2], " ".join((element.text or "").split())
        if text and name == "title":
            title = title or text
        elif text and name in names:
            key = names[name]
            found.setdefault(key, text[:10] if key in ("created", "modified") else text)
    return title, found
