"""In which order a reader takes the blocks of a page: as written, by columns, or by X-Y cuts."""

from __future__ import annotations

import itertools
from typing import Protocol, TypeVar

from ragpg.reading.pdf_boxes import Box, overlap

_GUTTERS = range(35, 66, 2)  # where, in per cent of the page's width, two columns may part
_MAX_CUTS = 12


class Block(Protocol):
    """Anything with a place on the page."""

    @property
    def box(self) -> Box:
        """Left, top, right, bottom, in points from the page's top left."""


B = TypeVar("B", bound=Block)


def in_reading_order(blocks: list[B], width: float) -> list[B]:
    """Returns the blocks as a reader takes them.

    Nearly every program writes them so. Where the written order goes to and fro between two columns
    it is by column; where it jumps up, though not into a column beside, it is by X-Y cuts.
    """
    if len(blocks) < 4:
        return blocks
    bands = _bands(blocks, width)
    if any(_switches(band) > 1 for band in bands):
        return [block for band in bands for side in (0, 1, 2) for block in _side(band, side)]
    jumps = sum(
        1
        for before, after in itertools.pairwise(blocks)
        if after.box[3] < before.box[1] and overlap(before.box, after.box)
    )
    return _cut(blocks, 1, _MAX_CUTS) if jumps > 0.2 * len(blocks) else blocks


# Two columns -----------------------------------------------------------------------------------


def _bands(blocks: list[B], width: float) -> list[list[tuple[int, B]]]:
    """Returns blocks with their column, 1 or 2, between those that span both, 0; none if not so."""
    share = min(_GUTTERS, key=lambda percent: (_crossing(blocks, width * percent / 100), percent))
    gutter = width * share / 100
    sides = [(_column(block.box, gutter), block) for block in blocks]
    heights = [sum(b.box[3] - b.box[1] for side, b in sides if side == n) for n in range(3)]
    if min(heights[1:]) < max(60, heights[0]):  # points: a column has more than a few lines
        return []
    edges = sorted(block.box[1] for side, block in sides if side == 0)
    bands: list[list[tuple[int, B]]] = [[] for _ in range(2 * len(edges) + 1)]
    for side, block in sides:
        above = sum(edge < block.box[1] for edge in edges)
        bands[2 * above + (1 if side == 0 else 0)].append((side, block))
    return bands


def _crossing(blocks: list[B], gutter: float) -> float:
    """Returns the height of the blocks that a gutter there would cut."""
    return sum(b.box[3] - b.box[1] for b in blocks if b.box[0] < gutter < b.box[2])


def _column(box: Box, gutter: float) -> int:
    return 1 if box[2] <= gutter else 2 if box[0] >= gutter else 0


def _switches(band: list[tuple[int, B]]) -> int:
    """Returns how often the written order goes from one column to the other."""
    return sum(1 for (before, _), (after, _) in itertools.pairwise(band) if before != after)


def _side(band: list[tuple[int, B]], wanted: int) -> list[B]:
    return sorted((block for side, block in band if side == wanted), key=lambda b: b.box[1])


# X-Y cuts --------------------------------------------------------------------------------------


def _cut(blocks: list[B], axis: int, cuts: int, is_again: bool = False) -> list[B]:
    """Returns the blocks by recursive X-Y cuts (Nagy and Seth 1984): rows, columns, rows, ..."""
    if len(blocks) < 2 or not cuts:
        return sorted(blocks, key=lambda block: (block.box[1], block.box[0]))
    groups: list[list[B]] = []
    end = float("-inf")
    for block in sorted(blocks, key=lambda block: block.box[axis]):
        if block.box[axis] < end:
            groups[-1].append(block)
        else:
            groups.append([block])
        end = max(end, block.box[axis + 2])
    if len(groups) == 1:
        return _cut(blocks, 1 - axis, 0 if is_again else cuts, True)
    return [block for group in groups for block in _cut(group, 1 - axis, cuts - 1)]
