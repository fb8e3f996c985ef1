"""Office's formulas (OMML) as LaTeX; symbols stay the Unicode characters they are."""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

from ragpg.reading.docx_styles import MATH, W, value

_OPERATORS = {
    "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∬": r"\iint", "∮": r"\oint",
    "\u22c3": r"\bigcup", "⋂": r"\bigcap",
}  # fmt: skip
_ACCENTS = {"\u0302": r"\hat", "\u0303": r"\tilde", "\u0304": r"\bar", "\u0305": r"\overline",
            "\u0307": r"\dot", "\u0308": r"\ddot", "\u20d7": r"\vec"}  # fmt: skip
_FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "lim", "max", "min", "sup", "inf",
    "det",
})  # fmt: skip
# What a structure becomes: <part> is the text of its part, <e> also with braces where it has LaTeX.
_PATTERNS = {
    "f": r"\frac{<num>}{<den>}",
    "sSup": "<base>^{<sup>}",
    "sSub": "<base>_{<sub>}",
    "sSubSup": "<base>_{<sub>}^{<sup>}",
    "limLow": "<named>_{<lim>}",
    "limUpp": "<named>^{<lim>}",
}


def math_text(element: etree._Element) -> str:
    """Returns the formula below an element; parts of it that are unknown give their text."""
    name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    if element.tag in (f"{MATH}t", f"{W}t"):
        return element.text or ""
    if name and element.tag == MATH + name:
        if name in _PATTERNS:
            return re.sub(r"<(\w+)>", lambda part: _part(element, part[1]), _PATTERNS[name])
        if name in _WRITERS:
            return _WRITERS[name](element)
    return "" if name.endswith("Pr") else "".join(map(math_text, element))


def _part(element: etree._Element, name: str) -> str:
    """Returns a part's text; "base" and "named" are the part e, in braces or as a function."""
    if name == "base":
        text = _part(element, "e")
        return f"{{{text}}}" if "\\" in text else text
    if name == "named":
        return _named(_part(element, "e"))
    found = element.find(MATH + name)
    return math_text(found) if found is not None else ""


def _named(name: str) -> str:
    name = name.strip()
    return f"\\{name}" if name in _FUNCTIONS else name


def _property(element: etree._Element, path: str, default: str) -> str:
    return value(element, path, default, MATH)


def _terms(element: etree._Element, between: str) -> str:
    return between.join(map(math_text, element.findall(f"{MATH}e")))


def _root(element: etree._Element) -> str:
    degree = _part(element, "deg")
    return rf"\sqrt{f'[{degree}]' if degree else ''}{{{_part(element, 'e')}}}"


def _nary(element: etree._Element) -> str:
    sign = _property(element, "naryPr/chr", "∫")
    below, above = _part(element, "sub"), _part(element, "sup")
    limits = (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")
    return f"{_OPERATORS.get(sign, sign)}{limits} {_part(element, 'e')}"


def _delimited(element: etree._Element) -> str:
    left, right = _property(element, "dPr/begChr", "("), _property(element, "dPr/endChr", ")")
    return left + _terms(element, _property(element, "dPr/sepChr", "|")) + right


def _function(element: etree._Element) -> str:
    name = _part(element, "fName").strip()
    return f"{_named(name)}{' ' if name in _FUNCTIONS else ''}{_part(element, 'e')}"


def _accent(element: etree._Element) -> str:
    accent = _ACCENTS.get(_property(element, "accPr/chr", "\u0302"), r"\hat")
    return f"{accent}{{{_part(element, 'e')}}}"


def _matrix(element: etree._Element) -> str:
    rows = (_terms(row, " & ") for row in element.findall(f"{MATH}mr"))
    return r"\begin{matrix}" + r" \\ ".join(rows) + r"\end{matrix}"


_WRITERS: dict[str, Callable[[etree._Element], str]] = {
    "rad": _root,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "acc": _accent,
    "m": _matrix,
    "eqArr": lambda element: _terms(element, r" \\ "),
}
