"""In which order a reader takes the blocks of a page: as written, by columns, or by X-Y cuts."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol, TypeVar

from ragpg.reading.pdf_boxes import Box, overlap

# Where two columns may part, in thousandths of the page's width: steps of 3 points, since gutters
# have 8 and more.
_GUTTERS = range(350, 651, 5)
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
    # How often the written order goes from one column to the other.
    switches = (sum(one[0] != other[0] for one, other in pairwise(band)) for band in bands)
    if any(count > 1 for count in switches):
        ordered = (sorted(band, key=lambda one: (one[0], one[1].box[1])) for band in bands)
        return [block for band in ordered for _, block in band]
    jumps = sum(
        after.box[3] < before.box[1] and overlap(before.box, after.box)
        for before, after in pairwise(blocks)
    )
    return _cut(blocks, 1, _MAX_CUTS) if jumps > 0.2 * len(blocks) else blocks


# Two columns -----------------------------------------------------------------------------------


def _bands(blocks: list[B], width: float) -> list[list[tuple[int, B]]]:
    """Returns blocks with their column, 1 or 2, between those that span both, 0; none if not so."""
    places = [width * place / 1000 for place in _GUTTERS]
    gutter = min(places, key=lambda place: (_crossing(blocks, place), place))
    sides = [(_column(block.box, gutter), block) for block in blocks]
    heights = [sum(_height(block) for side, block in sides if side == n) for n in range(3)]
    if min(heights[1:]) < max(60, heights[0]):  # points: a column has more than a few lines
        return []
    edges = sorted(block.box[1] for side, block in sides if side == 0)
    bands: list[list[tuple[int, B]]] = [[] for _ in range(2 * len(edges) + 1)]
    for side, block in sides:
        above = sum(edge < block.box[1] for edge in edges)
        bands[2 * above + (side == 0)].append((side, block))
    return bands


def _height(block: Block) -> float:
    return block.box[3] - block.box[1]


def _crossing(blocks: list[B], gutter: float) -> float:
    """Returns the height of the blocks that a gutter there would cut."""
    return sum(_height(block) for block in blocks if not _column(block.box, gutter))


def _column(box: Box, gutter: float) -> int:
    return 1 if box[2] <= gutter else 2 if box[0] >= gutter else 0


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
