"""An EPUB book to Markdown: a page per document of its spine."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from lxml import etree

from ragpg.errors import LoadError
from ragpg.reading.decoding import decode
from ragpg.reading.html import read_html
from ragpg.reading.result import Reading, join_pages
from ragpg.reading.zip_package import ZipPackage, described

_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/xml"})
_METADATA = {"creator": "author", "language": "language", "publisher": "publisher", "date": "date",
             "subject": "subject", "description": "description"}  # fmt: skip


def read_epub(data: bytes) -> Reading:
    """Returns the book's documents in reading order; one protected by DRM raises LoadError."""
    package = ZipPackage(data)
    if "META-INF/rights.xml" in package.names or "META-INF/sinf.xml" in package.names:
        raise LoadError("it is protected by DRM: it cannot be read")
    container = package.xml("META-INF/container.xml")
    root_file = container.find(".//{*}rootfile")
    name = root_file.get("full-path", "") if root_file is not None else ""
    book = package.xml(name)
    content, starts = join_pages(_page(package, part) for part in _spine(book, name))
    title, metadata = described(book, _METADATA)
    return Reading(title, content, metadata, starts)


def _spine(book: etree._Element, name: str) -> list[str]:
    """Returns the names of the parts to read, in order; a book without spine is all of them."""
    folder = posixpath.dirname(name)
    found = {
        item.get("id"): posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
        for item in book.iter("{*}item")
        if item.get("media-type") in _PAGES and "nav" not in item.get("properties", "").split()
    }
    spine = [one.get("idref") for one in book.iter("{*}itemref")]
    return [found[one] for one in spine if one in found] or list(found.values())


def _page(package: ZipPackage, part: str) -> str:
    return read_html(decode(package.read(part))).content if part in package.names else ""
