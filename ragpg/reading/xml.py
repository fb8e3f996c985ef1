"""An XML document (JATS, DocBook, TEI or any other) to Markdown, by way of HTML.

Nothing is fetched. Entities are put in here, within bounds, and the declarations left out: a parser
would lose what follows a bomb, and the dashes that only a DTD elsewhere declares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from html.entities import html5
from typing import Any

from lxml import etree

from ragpg.errors import LoadError
from ragpg.reading.decoding import clean_text, decode
from ragpg.reading.html import read_html
from ragpg.reading.result import Reading
from ragpg.reading.xml_html import HEADERS, header_title, name_of, plain, to_html

# Atomic and possessive: what is matched one way is not tried in another, of which a trap has 2^n.
_SUBSET = r"(?:\[(?:(?><!--.*?-->)|\"[^\"]*\"|'[^']*'|(?!<!--)[^\]\"'])*+\]\s*)?"
_DOCTYPE = re.compile(rf"<!DOCTYPE\b[^\[>]*+{_SUBSET}>", re.DOTALL)
_ENTITY = re.compile(r"""<!ENTITY\s+([\w.:-]+)\s+(?:"([^"]*)"|'([^']*)')\s*>""")
_DECLARATION = r"<\?xml\s[^>]*\?>"
# What is not markup is matched first, and stays.
_PIECE = re.compile(
    rf"(<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z))|{_DECLARATION}|&(?:#(\d+|[xX][\da-fA-F]+)|([\w.:-]+));"
    r"|&|<(?![\w:/!?])|[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]",
    re.DOTALL,
)
_PREDEFINED = frozenset({"amp", "lt", "gt", "quot", "apos"})
_MAX_ENTITIES = 1_000_000  # characters put in for them
_MAX_NESTED = 8


def read_xml(data: bytes) -> Reading:
    """Returns the document; one that is nested too deeply to be read wholly raises LoadError."""
    text = clean_text(decode(data))
    root = _parse(text)
    first = next((one for one in root if isinstance(one.tag, str)), None)
    if first is not None and name_of(first) == "html":
        return read_html(text)
    header = next((one for one in root.iter("{*}*") if name_of(one) in HEADERS), None)
    content = read_html(to_html(root)).content
    if header is None:
        return Reading("", content)
    return Reading(header_title(header), content, _metadata(header))


def _parse(text: str) -> etree._Element:
    """Returns an element that holds the document, or several, or mere text."""
    declared = _DOCTYPE.match(text, start) if (start := text.find("<!DOCTYPE")) >= 0 else None
    entities: dict[str, str] = {}
    if declared:
        entities = {one[1]: one[2] or one[3] or "" for one in _ENTITY.finditer(declared[0])}
        text = text[: declared.start()] + text[declared.end() :]
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, recover=True,
        huge_tree=True, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    whole = f"<all>{_Entities(entities).put_in(text)}</all>"
    root = etree.fromstring(whole.encode(), parser)
    if any("depth" in one.message for one in parser.error_log):
        raise LoadError("its elements are nested too deeply")
    return root


class _Entities:
    """Puts the text of entities in place of their names, within bounds."""

    def __init__(self, declared: Mapping[str, str]) -> None:
        self._declared = declared
        self._room = _MAX_ENTITIES

    def put_in(self, text: str, depth: int = 0) -> str:
        def put(found: re.Match[str]) -> str:
            if found[1]:
                return found[1]
            if found[2]:
                return _character(found[2])
            return self._named(found[3], depth) if found[3] else _escaped(found[0])

        return _PIECE.sub(put, text)

    def _named(self, name: str, depth: int) -> str:
        if name in _PREDEFINED:
            return f"&{name};"
        value = self._declared.get(name)
        if value is None:
            known = html5.get(f"{name};")
            return escape(known) if known else f"&amp;{name};"
        self._room -= len(value)
        if self._room < 0 or depth > _MAX_NESTED:
            raise LoadError("its entities stand for more than they should, as in a bomb: not read")
        return self.put_in(value, depth + 1)


def _character(number: str) -> str:
    code = int(number[1:], 16) if number[0] in "xX" else int(number[:9])
    is_one = code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0x110000
    return escape(chr(code)) if is_one and code not in (0xFFFE, 0xFFFF) else " "


def _escaped(letter: str) -> str:
    return escape(letter) if letter in "&<" else " "


# Metadata --------------------------------------------------------------------------------------


def _metadata(header: etree._Element) -> dict[str, Any]:
    found: dict[str, Any] = {
        "authors": _authors(header),
        "doi": _first(header, ".//{*}article-id[@pub-id-type='doi']", ".//{*}idno[@type='DOI']",
                      ".//{*}biblioid[@class='doi']", ".//{*}book-id[@book-id-type='doi']"),
        "journal": _first(header, ".//{*}journal-title", ".//{*}monogr/{*}title[@level='j']"),
        "publisher": _first(header, ".//{*}publisher-name", ".//{*}publisher/{*}orgname",
                            ".//{*}publisher"),
        "date": _date(header),
        "language": next((value for name, value in _attributes(header.getparent())
                          if name == "lang"), ""),
        "keywords": [text for one in header.iter("{*}kwd", "{*}keyword", "{*}term")
                     if (text := plain(one))],
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def _attributes(element: etree._Element | None) -> list[tuple[str, str]]:
    found = element.attrib.items() if element is not None else ()
    return [(str(name).rpartition("}")[2], str(value)) for name, value in found]


def _first(header: etree._Element, *paths: str) -> str:
    found = (header.find(path) for path in paths)
    return next((text for one in found if one is not None and (text := plain(one))), "")


def _authors(header: etree._Element) -> list[str]:
    """Returns the authors' names, first names first."""
    people = [
        *(one for one in header.iterfind(".//{*}contrib")
          if one.get("contrib-type", "author") == "author"),
        *header.iterfind(".//{*}analytic//{*}author"),
    ] or [*header.iterfind(".//{*}titleStmt/{*}author"), *header.iterfind("{*}author"),
          *header.iterfind("{*}authorgroup/{*}author")]  # fmt: skip
    return list(dict.fromkeys(name for one in people if (name := _person(one))))


def _person(element: etree._Element) -> str:
    for first, last in (
        ("given-names", "surname"), ("forename", "surname"), ("firstname", "surname"),
        ("given", "surname"),
    ):  # fmt: skip
        parts = [*element.iterfind(f".//{{*}}{first}"), *element.iterfind(f".//{{*}}{last}")]
        if len(parts) > 1:
            return " ".join(map(plain, parts))
    whole = (element.find(f".//{{*}}{name}") for name in
             ("string-name", "collab", "persName", "personname", "orgname", "surname"))  # fmt: skip
    named = next((one for one in whole if one is not None), None)
    return plain(named) if named is not None else "" if len(element) else plain(element)


def _date(header: etree._Element) -> str:
    """Returns when it was published, as far as that is told: 2020, 2020-08 or 2020-08-27."""
    dates = header.findall(".//{*}article-meta/{*}pub-date")
    dates.sort(key=lambda one: one.find("{*}day") is None)
    for one in dates:
        parts = [_first(one, f"{{*}}{name}") for name in ("year", "month", "day")]
        numbers = [part.zfill(2) for part in parts]
        count = next((n for n, part in enumerate(parts) if not part.isdecimal()), 3)
        if count:
            return "-".join(numbers[:count])
    for path in (".//{*}publicationStmt/{*}date", ".//{*}imprint/{*}date", "{*}pubdate", "{*}date"):
        for one in header.iterfind(path):
            if text := one.get("when") or plain(one):
                return text
    return ""
