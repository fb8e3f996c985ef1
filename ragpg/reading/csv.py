"""Comma-separated and other delimited values to a Markdown table."""

from __future__ import annotations

import csv
import io
from collections import Counter

from ragpg.errors import LoadError
from ragpg.reading.result import MAX_CELLS, Reading, markdown_table

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLED = 100


def read_csv(text: str, delimiter: str = "") -> Reading:
    """Returns the rows as a table whose header is the first one; the delimiter is found out.

    Lines of one cell above a table of several are paragraphs.
    """
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first) == 5:  # Excel's own first line
        delimiter, text = delimiter or first[4], rest
    rows = _parse(text, delimiter or _sniffed(text))
    if sum(map(len, rows)) > MAX_CELLS:
        raise LoadError(f"it holds more than {MAX_CELLS:,} cells: split it")
    above = _above(rows)
    titles = [row[0].strip() for row in rows[:above] if any(row)]
    return Reading("", "\n\n".join([*titles, markdown_table(filter(any, rows[above:]))]))


def _above(rows: list[list[str]]) -> int:
    """Returns how many rows of one cell stand above the header; a blank one ends padded ones."""
    table = next((n for n, row in enumerate(rows[:_SAMPLED]) if sum(map(bool, row)) > 1), 0)
    lead = rows[:table]
    is_apart = all(len(row) <= 1 for row in lead) or not any(lead[-1])
    return table if is_apart and all(not any(row[1:]) for row in lead) else 0


def _parse(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(2**31 - 1)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise LoadError(f"it is not delimited text: {error}") from error


def _sniffed(text: str) -> str:
    """Returns the delimiter with which the most of the first rows have the same number of cells.

    More than one cell, that is: a file of one column is read as comma-separated.
    """
    sample = "\n".join(text.split("\n", _SAMPLED)[:_SAMPLED])

    def agreement(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in _parse(sample, delimiter) if row)
        width, rows = widths.most_common(1)[0] if widths else (1, 0)
        return (rows / widths.total(), width) if width > 1 else (0.0, 0)

    return max(_DELIMITERS, key=agreement)
