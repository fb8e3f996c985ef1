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
    """A paragraph's role: a heading's level (0 for none), its numbering, whether it is code.

    `is_hidden` is None where the style does not say.
    """

    heading: int = 0
    is_title: bool = False
    is_code: bool = False
    num_id: str | None = None
    num_level: int = 0
    is_hidden: bool | None = None


class Styles:
    """The document's styles."""

    def __init__(self, root: etree._Element | None) -> None:
        found = root.findall(f"{W}style") if root is not None else []
        self._elements = {one.get(f"{W}styleId", ""): one for one in found}
        defaults = (
            name
            for name, one in self._elements.items()
            if one.get(f"{W}default") in ("1", "true") and one.get(f"{W}type") == "paragraph"
        )
        self._default = next(defaults, "")
        self._known: dict[str, Style] = {}

    def of(self, paragraph: etree._Element) -> Style:
        """Returns what the paragraph is; its own properties win over its style's."""
        style = self._named(value(paragraph, "pPr/pStyle", self._default))
        return _with_properties(style, paragraph)

    def is_hidden(self, run: etree._Element, paragraph: Style) -> bool:
        """Returns whether a run of the paragraph is hidden text: by itself or by a style."""
        properties = run.find(f"{W}rPr")
        if properties is None:
            return paragraph.is_hidden or False
        own = _vanishes(properties)
        if own is None and (name := value(properties, "rStyle")):
            own = self._named(name).is_hidden
        return (paragraph.is_hidden if own is None else own) or False

    def _named(self, name: str, depth: int = 0) -> Style:
        if name not in self._known:
            self._known[name] = self._resolve(name, depth)
        return self._known[name]

    def _resolve(self, name: str, depth: int) -> Style:
        element = self._elements.get(name)
        if element is None or depth > 20:  # styles may be based on each other in a circle
            return _by_name(Style(), name)
        is_based = element.find(f"{W}basedOn") is not None
        style = self._named(value(element, "basedOn"), depth + 1) if is_based else Style()
        return _by_name(_with_properties(style, element), value(element, "name"))


def value(element: etree._Element, path: str, default: str = "", space: str = W) -> str:
    """Returns the value of the element at the path below it, the default where there is none."""
    found = element.find("/".join(space + step for step in path.split("/")))
    return default if found is None else found.get(f"{space}val", "")


def whole(text: str, default: int, digits: int = 5) -> int:
    """Returns the number the text is, the default if it is none or has more digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else default


def _by_name(style: Style, name: str) -> Style:
    """Returns the style with what its name says: Word keeps English names in every language."""
    heading = _HEADING.match(name)
    if heading is not None:
        return replace(style, heading=min(int(heading[1]), 6))
    if name.lower() == "title":
        return replace(style, heading=1, is_title=True)
    return replace(style, is_code=True) if _CODE.fullmatch(name) else style


def _vanishes(properties: etree._Element) -> bool | None:
    """Returns whether the properties hide text, None where they do not say."""
    found = properties.find(f"{W}vanish")
    return None if found is None else found.get(f"{W}val", "1") not in ("0", "false", "off")


def _with_properties(style: Style, element: etree._Element) -> Style:
    """Returns the style with what the properties of the element, a paragraph or style, say."""
    outline = whole(value(element, "pPr/outlineLvl"), -1, 1)
    if outline >= 0:
        style = replace(style, heading=min(outline + 1, 6) if outline < 9 else 0)
    level = whole(value(element, "pPr/numPr/ilvl"), -1, 1)
    if level in range(9):
        style = replace(style, num_level=level)
    properties = element.find(f"{W}rPr")  # a style's; those of a paragraph are its mark's
    if properties is not None and (is_hidden := _vanishes(properties)) is not None:
        style = replace(style, is_hidden=is_hidden)
    number = element.find(f"{W}pPr/{W}numPr/{W}numId")
    return style if number is None else replace(style, num_id=number.get(f"{W}val"))
