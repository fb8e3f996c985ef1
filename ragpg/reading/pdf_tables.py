"""The cells that rules draw on a page, and the text within them."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import bidirectional

from ragpg.reading.pdf_boxes import Box, Char, bounds, distinct, holds
from ragpg.reading.result import markdown_table

_LINED_UP = 3.0  # points by which the edges of cells in one row or column may differ
_CELL_CHARACTERS = 1500  # a longer cell is a framed column of text, not a table's
_GRID = 20_000


class Table:
    """A grid of cells; a cell that spans several places of it is in each of them."""

    def __init__(self, cells: list[Box]) -> None:
        self.cells = cells
        self.box = bounds(cells)
        self._columns = distinct((cell[0] for cell in cells), _LINED_UP)
        self._rows = distinct((cell[1] for cell in cells), _LINED_UP)
        self._texts: list[list[Char]] = [[] for _ in cells]
        self.taken: dict[int, int] = {}
        self._cut_words = 0

    def take(self, chars: Iterable[Char]) -> None:
        """Puts each character into the cell that holds its centre; `taken` has their cells."""
        before: Char | None = None
        for number, char in enumerate(chars):
            cell = None
            if not char.is_generated and holds(self.box, char.box):
                cell = next((n for n, box in enumerate(self.cells) if holds(box, char.box)), None)
            if cell is not None:
                self._texts[cell].append(char)
                self.taken[number] = cell
            if before is not None and self.taken.get(number - 1) != cell and _touch(before, char):
                self._cut_words += 1
            before = char

    def is_plausible(self) -> bool:
        """Returns whether it is a table of text, not a frame, a form's lines or a chart's grid."""
        filled = sum(1 for chars in self._texts if chars)
        return (
            len(self._columns) > 1
            and len(self._rows) > 1
            and len(self._columns) * len(self._rows) <= _GRID
            and filled > 0.3 * len(self.cells)
            and max(map(len, self._texts)) <= _CELL_CHARACTERS
            and self._cut_words <= max(3, 0.01 * len(self.taken))
        )

    def markdown(self) -> str:
        columns = self._columns[::-1] if self._is_right_to_left() else self._columns
        return markdown_table([self._at(left, top) for left in columns] for top in self._rows)

    def _is_right_to_left(self) -> bool:
        letters = [char.text for chars in self._texts for char in chars if char.text.isalpha()]
        return sum(bidirectional(one[0]) in ("R", "AL") for one in letters) > len(letters) / 2

    def _at(self, left: float, top: float) -> str:
        point = (left + _LINED_UP, top + _LINED_UP) * 2
        place = next((n for n, box in enumerate(self.cells) if holds(box, point)), None)
        return "" if place is None else _cell_text(self._texts[place])


def _touch(first: Char, second: Char) -> bool:
    """Returns whether two characters are neighbours within a word."""
    if not (first.text.isalnum() and second.text.isalnum()):
        return False
    height = second.box[3] - second.box[1]
    gap = max(second.box[0] - first.box[2], first.box[0] - second.box[2])
    return gap < 0.1 * height and abs(first.box[3] - second.box[3]) < 0.3 * height


def _cell_text(chars: list[Char]) -> str:
    """Returns the characters with a space where one was drawn, or where there is a gap."""
    text = ""
    last: Box | None = None
    for char in chars:
        box = char.box
        if last is not None and not text.endswith("-"):
            height = last[3] - last[1]
            is_upright = abs(box[0] - last[0]) > 0.3 * height
            if box[0] - last[2] > 0.15 * height or (
                is_upright and abs(box[3] - last[3]) > 0.6 * height
            ):
                text += " "
        text += char.text.replace("\n", "")
        last = box
    return text
