"""A text to the spans of its sentences, for splitting and for citing."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSERS = "\"'”’»›)\\]）】」』*_`"
_SENTENCE_END = re.compile(rf"[.!?…؟۔।॥։።‽]+[{_CLOSERS}]*(?=\s)|[。！？｡]+[{_CLOSERS}]*")
_ABBREVIATION = re.compile(
    r"e\.g|i\.e|a\.k\.a|ph\.d|b\.a|m\.a|dr|mrs?|ms|prof|st|sr|jr|gen|col|capt|rev|hon|eds?|dept|al|et|"
    r"vs|cf|viz|approx|resp|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|z\.b|d\.h|u\.a|bzw|vgl|ggf|"
    r"evtl|bspw|mme|mlle|[^\W\d_]",
    re.IGNORECASE,
)
_BEFORE_NUMBER = re.compile(r"nos?|nr|figs?|vol|pp?|ch|sec|eq|art|tab|refs?|ver|abs", re.IGNORECASE)
_LAST_WORD = re.compile(r"[^\s(\[\"'“„«]*\Z")
# "1. Item", "9.4. Heading", "Table 9.9. Caption"
_NUMBERED = re.compile(r"\W*(?:[^\W\d_]+\s+)?[\dA-Z](?:\.?\d+)*\.\Z")
_FENCE = re.compile(r"[ \t>]*(```+|~~~+)")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_OWN_LINE = re.compile(r"[ \t>]*(?:#{1,6}\s|\||=+\s*$|-{2,}\s*$)")
_INDENTED = re.compile(r" {4}|\t")
_NEW_ITEM = re.compile(r"[ \t>]*(?:[-*+•]\s|\d{1,9}[.)]\s|: |>)")
_LINE_STOP = re.compile(r"[;:{}(\[]\s*$")
_NEXT_CHARACTER = re.compile(r"\s*(\S?)")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Returns the spans of the sentences; every non-blank character is in exactly one.

    List items, table rows, headings and lines of code end a sentence as well.
    """
    spans = (
        trim(text, *span)
        for start, end, is_line in _segments(text)
        for span in ([(start, end)] if is_line else _split_sentences(text, start, end))
    )
    return [(start, end) for start, end in spans if start < end]


def _segments(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yields what newlines separate for sure (wrapped lines stay together), and whether it is a
    single line of code, table or heading."""
    fence = ""
    start = 0
    joins = was_alone = False  # whether the line before may go on in this one, is a line by itself
    for found in _LINE.finditer(text):
        line, marker, is_code = found[0], _FENCE.match(found[0]), bool(fence)
        if marker and (not fence or marker[1].startswith(fence)):
            fence = "" if fence else marker[1]
        alone = is_code or bool(marker) or _stands_alone(line, joins)
        if alone or not joins or _NEW_ITEM.match(line):
            yield start, found.start(), was_alone
            start = found.start()
        was_alone = alone
        joins = not alone and not _LINE_STOP.search(line)
    yield start, len(text), was_alone


def _stands_alone(line: str, joins: bool) -> bool:
    is_code = not joins and _INDENTED.match(line)
    return not line.strip() or bool(is_code) or bool(_OWN_LINE.match(line))


def _split_sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for found in _SENTENCE_END.finditer(text, start, end):
        if _ends_sentence(text, start, found, end):
            yield start, found.end()
            start = found.end()
    yield start, end


def _ends_sentence(text: str, start: int, found: re.Match[str], end: int) -> bool:
    following = _NEXT_CHARACTER.match(text, found.end(), end)
    after = following[1] if following else ""
    if not after or after.islower():
        return not after
    if found[0] != ".":
        return True
    word = _LAST_WORD.search(text[max(start, found.start() - 40) : found.start()])
    return not _is_abbreviation(word[0] if word else "", after) and not (
        found.end() - start <= 40 and _NUMBERED.match(text[start : found.end()])
    )


def _is_abbreviation(word: str, after: str) -> bool:
    if after.isdigit() and _BEFORE_NUMBER.fullmatch(word):
        return True
    return bool(_ABBREVIATION.fullmatch(word)) and (len(word) > 1 or word.isupper())


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Returns the span without its outer whitespace."""
    content = text[start:end]
    start += len(content) - len(content.lstrip())
    return start, start + len(content.strip())
