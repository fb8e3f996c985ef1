"""Office's formulas (OMML) as LaTeX; symbols stay the Unicode characters they are."""

from __future__ import annotations

from lxml import etree

from ragpg.reading.docx_styles import MATH, W

_OPERATORS = {
    "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∬": r"\iint", "∮": r"\oint",
    "\u22c3": r"\bigcup", "⋂": r"\bigcap",
}  # fmt: skip
_ACCENTS = {"\u0302": r"\hat", "\u0303": r"\tilde", "\u0304": r"\bar", "\u0305": r"\overline",
            "\u0307": r"\dot", "\u0308": r"\ddot", "\u20d7": r"\vec"}  # fmt: skip
_FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "log",
        "ln",
        "exp",
        "lim",
        "max",
        "min",
        "sup",
        "inf",
        "det",
    ]
)


def math_text(element: etree._Element) -> str:
    """Returns the formula below an element; parts of it that are unknown give their text."""
    name = etree.QName(element).localname if isinstance(element.tag, str) else ""
    if element.tag in (f"{MATH}t", f"{W}t"):
        return element.text or ""
    written = _WRITERS.get(name)
    if written is not None and element.tag.startswith(MATH):
        return written(element)
    if name.endswith("Pr"):
        return ""
    return "".join(map(math_text, element))


def _part(element: etree._Element, name: str) -> str:
    found = element.find(f"{MATH}{name}")
    return math_text(found) if found is not None else ""


def _property(element: etree._Element, path: str, default: str) -> str:
    found = element.find("/".join(f"{MATH}{step}" for step in path.split("/")))
    return default if found is None else found.get(f"{MATH}val", "")


def _base(element: etree._Element) -> str:
    text = _part(element, "e")
    return f"{{{text}}}" if "\\" in text else text


def _fraction(element: etree._Element) -> str:
    return rf"\frac{{{_part(element, 'num')}}}{{{_part(element, 'den')}}}"


def _sup(element: etree._Element) -> str:
    return f"{_base(element)}^{{{_part(element, 'sup')}}}"


def _sub(element: etree._Element) -> str:
    return f"{_base(element)}_{{{_part(element, 'sub')}}}"


def _sub_sup(element: etree._Element) -> str:
    return f"{_base(element)}_{{{_part(element, 'sub')}}}^{{{_part(element, 'sup')}}}"


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
    between = _property(element, "dPr/sepChr", "|")
    return left + between.join(map(math_text, element.findall(f"{MATH}e"))) + right


def _function(element: etree._Element) -> str:
    name, argument = _part(element, "fName").strip(), _part(element, "e")
    return f"{_named(name)} {argument}" if name in _FUNCTIONS else f"{_named(name)}{argument}"


def _named(name: str) -> str:
    return f"\\{name}" if name in _FUNCTIONS else name


def _limit_low(element: etree._Element) -> str:
    return f"{_named(_part(element, 'e').strip())}_{{{_part(element, 'lim')}}}"


def _limit_high(element: etree._Element) -> str:
    return f"{_named(_part(element, 'e').strip())}^{{{_part(element, 'lim')}}}"


def _accent(element: etree._Element) -> str:
    sign = _property(element, "accPr/chr", "\u0302")
    return f"{_ACCENTS.get(sign, chr(92) + 'hat')}{{{_part(element, 'e')}}}"


def _matrix(element: etree._Element) -> str:
    rows = (
        " & ".join(map(math_text, row.findall(f"{MATH}e"))) for row in element.findall(f"{MATH}mr")
    )
    return r"\begin{matrix}" + r" \\ ".join(rows) + r"\end{matrix}"


def _lines(element: etree._Element) -> str:
    return r" \\ ".join(map(math_text, element.findall(f"{MATH}e")))


_WRITERS = {
    "f": _fraction,
    "sSup": _sup,
    "sSub": _sub,
    "sSubSup": _sub_sup,
    "rad": _root,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "limLow": _limit_low,
    "limUpp": _limit_high,
    "acc": _accent,
    "m": _matrix,
    "eqArr": _lines,
}
