"""Sitemaps: indexes of sitemaps, packed ones, lists of addresses (sitemaps.org)."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from dataclasses import dataclass

from ragpg.errors import LoadError

_MOST_BYTES = 64 * 2**20  # unpacked; the protocol allows 50 MB
_ROOT = re.compile(rb"<(?:[\w.-]+:)?(urlset|sitemapindex)[\s>/]")
_BARE_AMPERSAND = re.compile(rb"&(?!#?\w+;)")
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Sitemap:
    """Addresses as they stand there: of pages, or of other sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def read_sitemap(data: bytes, kind: str) -> Sitemap | None:
    """Returns the addresses in a sitemap, None for what is none; LoadError for one too large."""
    if data.startswith(b"\x1f\x8b"):
        data = _unpacked(data)
    if _ROOT.search(data[:4096]):
        return _of_xml(data)
    if kind != "text/plain":
        return None
    lines = data.decode("utf-8-sig", "replace").split("\n")
    found = [line.strip() for line in lines if line.strip()]
    return Sitemap(tuple(found)) if found and all(map(_ADDRESS.fullmatch, found)) else None


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LoadError(f"it is packed, and broken: {error}") from error
    if len(unpacked) > _MOST_BYTES:
        raise LoadError(f"it has more than {_MOST_BYTES // 2**20} MiB unpacked")
    return unpacked


def _of_xml(data: bytes) -> Sitemap:
    from lxml import etree

    found: dict[str, list[str]] = {"url": [], "sitemap": []}
    # Broken ones are read as far as can be; an & by itself is common.
    whole = _BARE_AMPERSAND.sub(b"&amp;", data)
    events = etree.iterparse(
        io.BytesIO(whole), recover=True, resolve_entities=False, no_network=True, load_dtd=False
    )
    try:
        for _, node in events:
            name = etree.QName(node).localname if isinstance(node.tag, str) else ""
            parent = node.getparent()
            if name == "loc" and parent is not None and isinstance(parent.tag, str):
                place = etree.QName(parent).localname  # image:loc stands in image:image
                if place in found and (node.text or "").strip():
                    found[place].append((node.text or "").strip())
            elif name in found:
                node.clear()
    except etree.XMLSyntaxError as error:
        raise LoadError(f"its XML is broken: {error}") from error
    return Sitemap(tuple(found["url"]), tuple(found["sitemap"]))
