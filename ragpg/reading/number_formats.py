"""A number as its cell shows it: Excel's number formats (ECMA-376 part 1, 18.8.30 and 18.8.31).

As Excel in English shows it, but for dates and times, which are in ISO 8601, and fractions, which
are decimals. No kept library does it: ssf, a port of SheetJS's, had its last release in 2020.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

_DATE, _TIME, _TIMES = "yyyy-mm-dd", "h:mm", "h:mm:ss"
BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: '"$"#,##0_);("$"#,##0)',
    6: '"$"#,##0_);("$"#,##0)', 7: '"$"#,##0.00_);("$"#,##0.00)',
    8: '"$"#,##0.00_);("$"#,##0.00)', 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 14: _DATE, 15: _DATE, 16: "d-mmm", 17: "mmm-yy", 18: _TIME, 19: _TIMES,
    20: _TIME, 21: _TIMES, 22: f"{_DATE} {_TIME}", 37: "#,##0_);(#,##0)", 38: "#,##0_);(#,##0)",
    39: "#,##0.00_);(#,##0.00)", 40: "#,##0.00_);(#,##0.00)",
    41: '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)',
    42: '_("$"* #,##0_);_("$"* (#,##0);_("$"* "-"_);_(@_)',
    43: '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)',
    44: '_("$"* #,##0.00_);_("$"* (#,##0.00);_("$"* "-"??_);_(@_)',
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    # Dates and times of the Chinese, Japanese and Korean editions.
    **dict.fromkeys((*range(27, 32), 36, *range(50, 59)), _DATE),
    32: _TIME, 33: _TIMES, 34: _TIME, 35: _TIMES,
}  # fmt: skip
"""The formats a file names by number alone; 0 and those left out show a number as it is."""

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>general)|(?P<half>am/pm|a/p)|(?P<exponent>e[+-])|(?P<date>[ymdhs]+)"
    r"|(?P<digit>[0#?])|(?P<sign>[.,%@;/])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN = re.compile(r"-?[1-9]\d*(?:\.\d*[1-9])?$", re.ASCII)  # most of them, as they are
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=) *(-?\d+(?:\.\d*)?)$")
_LONGEST = 255  # characters of a format, in Excel
_EXACT = Context(prec=1000, rounding=ROUND_HALF_UP)  # of what so many signs can ask for
# A blank date is a day 0 before the first; a leap day that never was is counted, as in Lotus.
_NO_DAYS = {0: "1900-01-00", 60: "1900-02-29"}
_LAST_DAY = 2958466  # of the year 9999, as Excel counts


@dataclass(frozen=True, slots=True)
class _Section:
    """One of the up to four parts of a format, for some numbers: its tokens, kind and text."""

    tokens: list[tuple[str, str]]
    condition: tuple[str, float] | None
    kinds: frozenset[str]


def plain(number: str) -> str:
    """Returns the number in a file as people write it: 15 digits, of a whole number all it has."""
    if len(number) < 16 and _PLAIN.match(number):
        return number
    try:
        value = Decimal(number)
    except ArithmeticError:
        return number
    if not value.is_finite():
        return number
    if abs(value) < 10**21 and value == value.to_integral_value():
        return f"{value.to_integral_value() + 0:f}"  # + 0: no minus before a zero
    return f"{float(value):.15g}"


@lru_cache(maxsize=2**16)  # days and shares repeat
def shown(number: str, code: str, is_1904: bool = False) -> str:
    """Returns the number in a file as a cell of that format shows it."""
    sections = _sections(code)
    try:
        value = Decimal(number)
    except ArithmeticError:
        return number
    if not sections or not value.is_finite() or abs(value) >= 10**21:
        return plain(number)
    if value != value.to_integral_value():
        value = Decimal(f"{float(value):.15g}")
    section, has_sign = _section(sections, value)
    if section.kinds & {"date", "elapsed"}:
        return _moment(section, float(value), is_1904) or plain(number)
    if "digit" not in section.kinds:
        return _words(section, plain(number).removeprefix("" if has_sign else "-"))
    if ("sign", "/") in section.tokens:
        return plain(number)
    return _digits(section, abs(value), "-" if value < 0 and has_sign else "")


def shown_text(text: str, code: str) -> str:
    """Returns the text in a file as a cell of that format shows it: by its last section."""
    sections = _sections(code)
    if len(sections) == 4 or (sections and ("sign", "@") in sections[-1].tokens):
        return _words(sections[-1], text)
    return text


@lru_cache(maxsize=1024)
def _sections(code: str) -> list[_Section]:
    """Returns the sections of the format."""
    tokens: list[tuple[str, str]] = []
    condition: tuple[str, float] | None = None
    found = []
    for match in _TOKEN.finditer(code + ";"):
        kind = match.lastgroup or ""
        text = match[kind]
        if kind == "sign" and text == ";":
            found.append(_Section(tokens, condition, frozenset(kind for kind, _ in tokens)))
            tokens, condition = [], None
        elif kind == "bracket":
            if told := _CONDITION.match(text):
                condition = (told[1], float(told[2]))
            elif text.lower().strip("hms") == "" and text:
                tokens.append(("elapsed", text.lower()))
            elif text.startswith("$"):  # a currency, then a locale
                tokens.append(("text", text[1:].rpartition("-")[0] or text[1:].split("-")[0]))
        elif kind in ("quoted", "escaped", "other"):
            tokens.append(("text", text))
        elif kind == "space":
            tokens.append(("text", " "))
        elif kind != "fill":
            tokens.append((kind, text))
    is_format = len(code) <= _LONGEST and (len(found) > 1 or any(one.tokens for one in found))
    return found if is_format else []


def _section(sections: list[_Section], value: Decimal) -> tuple[_Section, bool]:
    """Returns the section for the value, and whether a negative one still needs its sign."""
    if any(one.condition for one in sections):
        for one in sections[:3]:
            if one.condition is None or _holds(value, *one.condition):
                sign, bound = one.condition or ("", 0.0)
                return one, not (sign == "<" and bound == 0)
        return _Section([("general", "")], None, frozenset(["general"])), True
    numbers = sections[:3]
    if value < 0 and len(numbers) > 1:
        return numbers[1], False
    return numbers[2 if value == 0 and len(numbers) > 2 else 0], True


def _holds(value: Decimal, sign: str, bound: float) -> bool:
    is_less, is_equal = value < bound, value == bound
    return {"<": is_less, "<=": is_less or is_equal, "=": is_equal, "<>": not is_equal,
            ">": not is_less and not is_equal, ">=": not is_less}[sign]  # fmt: skip


def _words(section: _Section, number: str) -> str:
    """Returns what a section without digits shows: its words, the number where it stands."""
    texts = (
        number if kind == "general" or (kind, text) == ("sign", "@") else text
        for kind, text in section.tokens
    )
    return "".join(texts).strip()


# Digits ----------------------------------------------------------------------------------------


def _digits(section: _Section, value: Decimal, sign: str) -> str:
    """Returns the value, which is not negative, in the section's digits; no sign before a zero."""
    tokens = section.tokens
    end = next((n for n, (kind, _) in enumerate(tokens) if kind == "exponent"), len(tokens))
    point = tokens.index(("sign", ".")) if ("sign", ".") in tokens[:end] else end
    whole = [n for n in range(point) if tokens[n][0] == "digit"]
    decimals = [n for n in range(point, end) if tokens[n][0] == "digit"]
    first, last = (whole or [-1])[0], (whole or [-1])[-1]
    commas = [n for n in range(end) if tokens[n] == ("sign", ",")]
    thousands = sum(last < n < point or n > (decimals or [point])[-1] for n in commas)
    value = value.scaleb(2 * tokens.count(("sign", "%")) - 3 * thousands, _EXACT)
    value, power = _rounded(value, len(decimals), len(whole) if end < len(tokens) else 0)
    before, _, after = f"{value:f}".partition(".")
    texts = _before_point(tokens, whole, before, any(first < n < last for n in commas))
    texts |= _after_point(tokens, decimals, after)
    exponents = [n for n in range(end, len(tokens)) if tokens[n][0] == "digit"]
    if exponents:
        texts[end] = tokens[end][1][0] + ("-" if power < 0 else tokens[end][1][1].strip("-"))
        texts |= dict.fromkeys(exponents, "")
        texts[exponents[0]] = str(abs(power)).zfill(len(exponents))
    text = "".join(texts.get(n, _literal(token)) for n, token in enumerate(tokens))
    return (sign if value else "") + " ".join(text.split())


def _rounded(value: Decimal, decimals: int, step: int) -> tuple[Decimal, int]:
    """Returns the value with so many decimals and the power of ten it is to be multiplied by.

    That is 0 for step 0, else a multiple of it with as few digits before the point as can be.
    """
    unit = Decimal(1).scaleb(-decimals)
    power = value.adjusted() // step * step if step and value else 0
    rounded = value.scaleb(-power, _EXACT).quantize(unit, context=_EXACT)
    if step and rounded >= 10**step:
        power += step
        rounded = value.scaleb(-power, _EXACT).quantize(unit, context=_EXACT)
    return rounded, power


def _literal(token: tuple[str, str]) -> str:
    return "" if token == ("sign", ",") else token[1]


def _before_point(
    tokens: list[tuple[str, str]], places: list[int], digits: str, is_grouped: bool
) -> dict[int, str]:
    """Returns the text of each place before the point; the first takes all that is left over."""
    texts: dict[int, str] = {}
    digits = digits.lstrip("0")
    missing = len(places) - len(digits)
    for number, place in enumerate(places):
        own = digits[: 1 - missing] if number == 0 else digits[number - missing :][:1]
        if number < missing:
            own = {"0": "0", "?": " "}.get(tokens[place][1], "")
        right = len(places) - number - 1  # digits after this place's last one
        texts[place] = _grouped(own, right) if is_grouped else own
    return texts


def _grouped(digits: str, right: int) -> str:
    """Returns the digits with a comma after each that has a multiple of three to its right."""
    last = len(digits) - 1 + right
    return "".join(
        one + ("," if last - n and not (last - n) % 3 and one.isdigit() else "")
        for n, one in enumerate(digits)
    )


def _after_point(tokens: list[tuple[str, str]], places: list[int], digits: str) -> dict[int, str]:
    """Returns the text of each place after the point; zeros at the end only where they must."""
    texts: dict[int, str] = {}
    is_end = True
    for place, digit in zip(reversed(places), reversed(digits), strict=False):
        sign = tokens[place][1]
        is_end = is_end and digit == "0" and sign != "0"
        texts[place] = (" " if sign == "?" else "") if is_end else digit
    return texts


# Dates and times -------------------------------------------------------------------------------


def _moment(section: _Section, days: float, is_1904: bool) -> str:
    """Returns what of the date and time the section shows, in ISO 8601; "" for no date."""
    letters = _letters(section)
    seconds = round(days * 86400, 3)
    is_fine = any(kind == "digit" for kind, _ in section.tokens)
    if not is_fine:
        seconds = round(seconds)
    if "elapsed" in section.kinds:
        return _clock(seconds, letters, is_fine)
    if not 0 <= days < _LAST_DAY - (1462 if is_1904 else 0):
        return ""
    first = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 31 if days < 60 else 30)
    date = (first + timedelta(seconds=seconds)).date().isoformat()
    if not is_1904:
        date = _NO_DAYS.get(int(seconds // 86400), date)
    if "y" in letters and "d" not in letters:
        date = date[:7] if "m" in letters else date[:4]
    time = _clock(seconds % 86400, letters, is_fine)
    return " ".join(
        ([date] if letters & set("ymd") else []) + ([time] if letters & set("HMS") else [])
    )


def _letters(section: _Section) -> set[str]:
    """Returns what the section shows: y, m, d of the date, H, M, S of the time.

    An m after hours or before seconds is of minutes.
    """
    marks = [text[0].lower() for kind, text in section.tokens if kind in ("date", "elapsed")]
    found = set()
    for n, mark in enumerate(marks):
        before, after = marks[n - 1 : n], marks[n + 1 : n + 2]
        is_minute = mark == "m" and (before == ["h"] or after == ["s"])
        found.add("M" if is_minute else mark.upper() if mark in "hs" else mark)
    return found


def _clock(seconds: float, letters: set[str], is_fine: bool) -> str:
    sign, seconds = "-" if seconds < 0 else "", abs(seconds)
    minutes, rest = divmod(seconds, 60)
    text = f"{sign}{int(minutes // 60):02d}:{int(minutes % 60):02d}"
    if "S" not in letters:
        return text
    return f"{text}:{rest:06.3f}".rstrip("0").rstrip(".") if is_fine else f"{text}:{int(rest):02d}"
