"""What a Word paragraph is, through its style and the styles that one is based on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lxml import etree

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"

_CODE = re.compile(r"(?:source ?|html )?(?:code|preformatted)(?: block)?|macro text", re.IGNORECASE)
_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Style:
    """A paragraph's role: a heading's level (0 for none), its numbering, whether it is code."""

    heading: int = 0
    is_title: bool = False
    is_code: bool = False
    num_id: str | None = None
    num_level: int = 0


class Styles:
    """The document's paragraph styles."""

    def __init__(self, root: etree._Element | None) -> None:
        found = root.findall(f"{W}style") if root is not None else []
        self._elements = {one.get(f"{W}styleId", ""): one for one in found}
        self._default = next(
            (
                name
                for name, one in self._elements.items()
                if one.get(f"{W}default") in ("1", "true") and one.get(f"{W}type") == "paragraph"
            ),
            "",
        )
        self._known: dict[str, Style] = {}

    def of(self, paragraph: etree._Element) -> Style:
        """Returns what the paragraph is; its own properties win over its style's."""
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return self._named(self._default)
        style = properties.find(f"{W}pStyle")
        name = style.get(f"{W}val", "") if style is not None else self._default
        return _with_properties(self._named(name), properties)

    def _named(self, name: str, depth: int = 0) -> Style:
        if name not in self._known:
            self._known[name] = self._resolve(name, depth)
        return self._known[name]

    def _resolve(self, name: str, depth: int) -> Style:
        element = self._elements.get(name)
        if element is None or depth > 20:  # styles may be based on each other in a circle
            return _by_name(Style(), name)
        base = element.find(f"{W}basedOn")
        style = Style()
        if base is not None:
            style = self._named(base.get(f"{W}val", ""), depth + 1)
        style = _with_properties(style, element.find(f"{W}pPr"))
        return _by_name(style, _name(element))


def _name(element: etree._Element) -> str:
    name = element.find(f"{W}name")
    return name.get(f"{W}val", "") if name is not None else ""


def _by_name(style: Style, name: str) -> Style:
    """Returns the style with what its name says: Word keeps English names in every language."""
    heading = _HEADING.match(name)
    if heading is not None:
        return replace(style, heading=min(int(heading[1]), 6))
    if name.lower() == "title":
        return replace(style, heading=1, is_title=True)
    return replace(style, is_code=True) if _CODE.fullmatch(name) else style


def _with_properties(style: Style, properties: etree._Element | None) -> Style:
    if properties is None:
        return style
    outline = properties.find(f"{W}outlineLvl")
    if outline is not None and outline.get(f"{W}val", "9") in "0123456789":
        level = int(outline.get(f"{W}val", "9"))
        style = replace(style, heading=min(level + 1, 6) if level < 9 else 0)
    numbering = properties.find(f"{W}numPr")
    if numbering is None:
        return style
    level_element, id_element = numbering.find(f"{W}ilvl"), numbering.find(f"{W}numId")
    if level_element is not None:
        value = level_element.get(f"{W}val", "0")
        style = replace(style, num_level=int(value) if value in "012345678" and value else 0)
    if id_element is not None:
        style = replace(style, num_id=id_element.get(f"{W}val"))
    return style
