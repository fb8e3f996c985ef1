"""In which order a reader takes the blocks of a page: as written, by columns, or by X-Y cuts."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol, TypeVar

from ragpg.reading.pdf_boxes import Box, overlap

# How far from equal parts of the page's width columns may part, in thousandths of it: steps of 3
# points, since gutters have 8 and more.
_GUTTERS = range(-150, 151, 5)
_MOST_COLUMNS = 4
_PARAGRAPH = 30  # points: what is as high has three lines, and is no cell of a table's row
_MAX_CUTS = 12


class Block(Protocol):
    """Anything with a place on the page."""

    @property
    def box(self) -> Box:
        """Left, top, right, bottom, in points from the page's top left."""


B = TypeVar("B", bound=Block)


def in_reading_order(blocks: list[B], width: float) -> list[B]:
    """Returns the blocks as a reader takes them.

    Nearly every program writes them so. Where the written order goes to and fro between columns it
    is by column; where it jumps up, though not into a column beside, it is by X-Y cuts.
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


# Columns ---------------------------------------------------------------------------------------


def _bands(blocks: list[B], width: float) -> list[list[tuple[int, B]]]:
    """Returns blocks with their column, from 1, between those that span several, 0; none if not so.

    Of as many columns as there can be; more than two have paragraphs, or they are a table's.
    """
    for count in range(_MOST_COLUMNS, 1, -1):
        gutters = _gutters(blocks, width, count)
        sides = [(_column(block.box, gutters), block) for block in blocks]
        heights = [sum(_height(one) for side, one in sides if side == n) for n in range(count + 1)]
        # Points: a column has more than a few lines.
        if min(heights[1:]) < max(60, heights[0]) or (count > 2 and _are_cells(sides)):
            continue
        edges = sorted(block.box[1] for side, block in sides if side == 0)
        bands: list[list[tuple[int, B]]] = [[] for _ in range(2 * len(edges) + 1)]
        for side, block in sides:
            above = sum(edge < block.box[1] for edge in edges)
            bands[2 * above + (side == 0)].append((side, block))
        return bands
    return []


def _height(block: Block) -> float:
    return block.box[3] - block.box[1]


def _are_cells(sides: list[tuple[int, B]]) -> bool:
    """Returns whether less than half of what stands in columns is paragraphs."""
    heights = [_height(block) for side, block in sides if side]
    return 2 * sum(height for height in heights if height > _PARAGRAPH) < sum(heights)


def _gutters(blocks: list[B], width: float, count: int) -> list[float]:
    """Returns where that many columns part best: where the least height of blocks is cut."""
    found = []
    for part in range(1, count):
        places = [width * (part / count + shift / 1000) for shift in _GUTTERS]
        found.append(min((_crossing(blocks, place), place) for place in places)[1])
    return found


def _crossing(blocks: list[B], gutter: float) -> float:
    """Returns the height of the blocks that a gutter there would cut."""
    return sum(_height(block) for block in blocks if not _column(block.box, [gutter]))


def _column(box: Box, gutters: list[float]) -> int:
    """Returns in which column the box is, from 1; 0 where it spans several."""
    column = sum(box[0] >= gutter for gutter in gutters) + 1
    return column if column > len(gutters) or box[2] <= gutters[column - 1] else 0


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
