"""The numbers and bullets Word shows before paragraphs, which its files do not hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from ragpg.reading.docx_styles import W

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
          (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_MOST = 3999


@dataclass(frozen=True, slots=True)
class Label:
    """What stands before a paragraph."""

    text: str
    is_bullet: bool


@dataclass(frozen=True, slots=True)
class _Level:
    style: str
    pattern: str
    start: int


class Numbering:
    """Counts the paragraphs of every list as Word does."""

    def __init__(self, root: etree._Element | None) -> None:
        self._levels: dict[str, dict[int, _Level]] = {}
        self._abstract: dict[str, str] = {}
        self._restarts: dict[str, dict[int, int]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        if root is None:
            return
        for one in root.findall(f"{W}abstractNum"):
            self._levels[one.get(f"{W}abstractNumId", "")] = dict(map(_level, one.iter(f"{W}lvl")))
        for one in root.findall(f"{W}num"):
            self._read_num(one)

    def _read_num(self, num: etree._Element) -> None:
        num_id = num.get(f"{W}numId", "")
        self._abstract[num_id] = _value(num, "abstractNumId")
        overrides = num.findall(f"{W}lvlOverride")
        self._restarts[num_id] = {
            _whole(one.get(f"{W}ilvl", ""), 0): _whole(_value(one, "startOverride"), 1)
            for one in overrides
            if one.find(f"{W}startOverride") is not None
        }

    def label(self, num_id: str | None, level: int) -> Label | None:
        """Counts a paragraph; returns what stands before it, None for one outside any list."""
        if num_id is None or num_id not in self._abstract:
            return None
        abstract = self._abstract[num_id]
        levels = self._levels.get(abstract, {})
        if level not in levels:
            return Label("", True)
        if levels[level].style == "bullet":
            return Label("", True)
        counts = self._counts.setdefault(abstract, {})
        counts.update(self._restart(num_id, level))
        counts[level] = counts.get(level, levels[level].start - 1) + 1
        for deeper in [one for one in counts if one > level]:
            del counts[deeper]
        text = re.sub(
            r"%([1-9])", lambda m: _count(levels, counts, int(m[1]) - 1), levels[level].pattern
        )
        return Label(text.strip(), not text.strip())

    def _restart(self, num_id: str, level: int) -> dict[int, int]:
        """Returns the count before the first paragraph of a list that starts anew."""
        start = self._restarts[num_id].pop(level, None)
        return {} if start is None else {level: start - 1}


def _level(element: etree._Element) -> tuple[int, _Level]:
    style = _value(element, "numFmt") or "decimal"
    start = _whole(_value(element, "start"), 1)
    return _whole(element.get(f"{W}ilvl", ""), 0), _Level(style, _value(element, "lvlText"), start)


def _value(element: etree._Element, name: str) -> str:
    found = element.find(f"{W}{name}")
    return found.get(f"{W}val", "") if found is not None else ""


def _whole(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else default


def _count(levels: dict[int, _Level], counts: dict[int, int], level: int) -> str:
    one = levels.get(level)
    count = counts.get(level, one.start if one else 1)
    return _written(count, one.style if one else "decimal")


def _written(count: int, style: str) -> str:
    if style.endswith("Letter") and count > 0:
        letters = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 % 10 + 1)
        return letters.upper() if style.startswith("upper") else letters
    if style.endswith("Roman") and 0 < count <= _MOST:
        roman = _roman(count)
        return roman.upper() if style.startswith("upper") else roman
    return "" if style == "none" else f"{count:02d}" if style == "decimalZero" else str(count)


def _roman(count: int) -> str:
    text = ""
    for value, letters in _ROMAN:
        while count >= value:
            text, count = text + letters, count - value
    return text
