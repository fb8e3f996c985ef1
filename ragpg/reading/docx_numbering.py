"""The numbers and bullets Word shows before paragraphs, which its files do not hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from ragpg.reading.docx_styles import W, value, whole

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
        lists = root.findall(f"{W}abstractNum") if root is not None else []
        numbers = root.findall(f"{W}num") if root is not None else []
        self._levels = {
            one.get(f"{W}abstractNumId", ""): dict(map(_level, one.iter(f"{W}lvl")))
            for one in lists
        }
        self._abstract = {one.get(f"{W}numId", ""): value(one, "abstractNumId") for one in numbers}
        self._restarts = {one.get(f"{W}numId", ""): _restarts(one) for one in numbers}
        self._counts: dict[str, dict[int, int]] = {}

    def label(self, num_id: str | None, level: int) -> Label | None:
        """Counts a paragraph; returns what stands before it, None for one outside any list."""
        if num_id is None or num_id not in self._abstract:
            return None
        abstract = self._abstract[num_id]
        levels = self._levels.get(abstract, {})
        if level not in levels or levels[level].style == "bullet":
            return Label("", True)
        counts = self._counts.setdefault(abstract, {})
        before = counts.get(level, levels[level].start - 1)
        counts[level] = self._restarts[num_id].pop(level, before + 1)
        for deeper in [one for one in counts if one > level]:
            del counts[deeper]
        pattern = levels[level].pattern
        text = re.sub(r"%([1-9])", lambda m: _count(levels, counts, int(m[1]) - 1), pattern)
        return Label(text.strip(), not text.strip())


def _restarts(num: etree._Element) -> dict[int, int]:
    """Returns the numbers with which a list that starts anew begins, by level."""
    return {
        whole(one.get(f"{W}ilvl", ""), 0): whole(value(one, "startOverride"), 1)
        for one in num.findall(f"{W}lvlOverride")
        if one.find(f"{W}startOverride") is not None
    }


def _level(element: etree._Element) -> tuple[int, _Level]:
    style, start = value(element, "numFmt") or "decimal", whole(value(element, "start"), 1)
    level = _Level(style, value(element, "lvlText"), start)
    return whole(element.get(f"{W}ilvl", ""), 0), level


def _count(levels: dict[int, _Level], counts: dict[int, int], level: int) -> str:
    one = levels.get(level)
    count = counts.get(level, one.start if one else 1)
    return _written(count, one.style if one else "decimal")


def _written(count: int, style: str) -> str:
    text = "" if style == "none" else f"{count:02d}" if style == "decimalZero" else str(count)
    if style.endswith("Letter") and count > 0:
        text = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 % 10 + 1)
    elif style.endswith("Roman") and 0 < count <= _MOST:
        text = ""
        for size, letters in _ROMAN:
            text, count = text + letters * (count // size), count % size
    return text.upper() if style.startswith("upper") else text
