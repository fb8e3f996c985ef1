"""The rules a PDF page draws -> the cells of its tables.

The method is the one of Nurminen's thesis (2013) that Tabula and pdfplumber use, too: straight
edges, joined where they continue each other; their crossings; the smallest cells between these.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium_c

from ragpg.reading.pdf_boxes import Box, bounds

_MOST_PATHS = 3000  # a page with more is a drawing
_MOST_CROSSINGS = 40_000
_CELLS_OF_A_TABLE = range(4, 5000)
_DEPTH = 3  # of drawings within drawings
_THIN = 1.0  # points by which a straight edge may lean
_NEAR = 3.0  # points between edges that are one, or that touch
_SHORTEST = 3.0
_FEWEST_ENDS = 3  # rules that begin and end together, for a side nobody drew


class Rule(NamedTuple):
    """A straight edge: `at` is its x when vertical and its y when horizontal."""

    is_vertical: bool
    at: float
    start: float
    end: float


def read_edges(page: pypdfium2.PdfPage) -> list[Box]:
    """Returns the straight edges of all that is drawn, in the page's own coordinates."""
    wanted = [pdfium_c.FPDF_PAGEOBJ_PATH]
    edges: list[Box] = []
    for number, path in enumerate(page.get_objects(filter=wanted, max_depth=_DEPTH)):
        if number == _MOST_PATHS:
            return []
        if _is_drawn(path):
            edges += _path_edges(path)
    return edges


def tables_of(edges: Iterable[Box]) -> list[list[Box]]:
    """Returns the cells of each table that the edges make."""
    rules = _joined(_rules(edges))
    rules = _joined([*rules, *_missing_sides(rules)])
    upright = [rule for rule in rules if rule.is_vertical]
    level = [rule for rule in rules if not rule.is_vertical]
    if len(upright) * len(level) > _MOST_CROSSINGS:
        return []
    return _grouped(_cells(upright, level))


# Edges -----------------------------------------------------------------------------------------


def _is_drawn(path: pypdfium2.PdfObject) -> bool:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDFPath_GetDrawMode(path, fill, stroke)
    return bool(fill.value or stroke.value)


def _path_edges(path: pypdfium2.PdfObject) -> Iterator[Box]:
    start: tuple[float, float] | None = None
    last: tuple[float, float] | None = None
    for kind, point, closes in _segments(path):
        if kind == pdfium_c.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium_c.FPDF_SEGMENT_LINETO and last is not None:
            yield bounds((last * 2, point * 2))
        last = point
        if closes and start is not None:
            yield bounds((last * 2, start * 2))
            last = start


def _segments(path: pypdfium2.PdfObject) -> Iterator[tuple[int, tuple[float, float], bool]]:
    matrices = []
    owner = path
    while owner is not None:
        matrices.append(owner.get_matrix())
        owner = owner.container
    x, y = ctypes.c_float(), ctypes.c_float()
    for number in range(pdfium_c.FPDFPath_CountSegments(path)):
        segment = pdfium_c.FPDFPath_GetPathSegment(path, number)
        pdfium_c.FPDFPathSegment_GetPoint(segment, x, y)
        point = (x.value, y.value)
        for matrix in matrices:
            point = matrix.on_point(*point)
        kind = pdfium_c.FPDFPathSegment_GetType(segment)
        yield kind, point, bool(pdfium_c.FPDFPathSegment_GetClose(segment))


def _rules(edges: Iterable[Box]) -> Iterator[Rule]:
    for left, top, right, bottom in edges:
        if right - left <= _THIN < bottom - top:
            yield Rule(True, (left + right) / 2, top, bottom)
        elif bottom - top <= _THIN < right - left:
            yield Rule(False, (top + bottom) / 2, left, right)


def _joined(rules: Iterable[Rule]) -> list[Rule]:
    """Returns the rules with those near each other at one place, and joined where they touch."""
    near: list[list[Rule]] = []
    for rule in sorted(rules):
        before = near[-1][-1] if near else None
        is_near = before is not None and before.is_vertical == rule.is_vertical
        if before is not None and is_near and rule.at <= before.at + _NEAR:
            near[-1].append(rule)
        else:
            near.append([rule])
    joined = (one for group in near for one in _continued(group))
    return [rule for rule in joined if rule.end - rule.start >= _SHORTEST]


def _continued(group: list[Rule]) -> list[Rule]:
    at = sum(rule.at for rule in group) / len(group)
    found: list[Rule] = []
    for rule in sorted(group, key=lambda rule: rule.start):
        if found and rule.start <= found[-1].end + _NEAR:
            found[-1] = found[-1]._replace(end=max(found[-1].end, rule.end))
        else:
            found.append(rule._replace(at=at))
    return found


def _missing_sides(rules: list[Rule]) -> Iterator[Rule]:
    """Yields the sides that many tables do not draw: where several rules begin and end together.

    They reach as far as the rules between the table's columns do.
    """
    level = [rule for rule in rules if not rule.is_vertical]
    ends = Counter((round(rule.start), round(rule.end)) for rule in level)
    for (left, right), count in ends.items():
        if count >= _FEWEST_ENDS:
            inner = [r for r in rules if r.is_vertical and left + 5 < r.at < right - 5]
            for stretch in _continued([rule._replace(at=0) for rule in inner]) if inner else ():
                for at in (left, right):
                    yield Rule(True, at, stretch.start, stretch.end)


# Cells -----------------------------------------------------------------------------------------

_Cell = tuple[Box, tuple[tuple[int, int], ...]]  # its corners are pairs of crossing rules


def _cells(upright: list[Rule], level: list[Rule]) -> Iterator[_Cell]:
    """Yields the smallest cell to the lower right of each crossing."""
    below: dict[int, list[int]] = defaultdict(list)  # level rules that cross an upright one
    beside: dict[int, list[int]] = defaultdict(list)  # upright rules that cross a level one
    for n, rule in enumerate(upright):  # both are sorted by place
        for m, other in enumerate(level):
            if _cross(rule, other):
                below[n].append(m)
                beside[m].append(n)
    crossings = {(n, m) for n, found in below.items() for m in found}
    for n, m in sorted(crossings):
        opposite = next(
            (
                (right, low)
                for low in below[n][bisect_right(below[n], m) :]
                for right in beside[m][bisect_right(beside[m], n) :]
                if (right, low) in crossings
            ),
            None,
        )
        if opposite is not None:
            right, low = opposite
            box = (upright[n].at, level[m].at, upright[right].at, level[low].at)
            yield box, ((n, m), (right, m), (n, low), (right, low))


def _cross(upright: Rule, level: Rule) -> bool:
    return (
        upright.start - _NEAR <= level.at <= upright.end + _NEAR
        and level.start - _NEAR <= upright.at <= level.end + _NEAR
    )


def _grouped(cells: Iterable[_Cell]) -> list[list[Box]]:
    """Returns the cells by table: those of one share corners."""
    parents: list[int] = []
    owners: dict[tuple[int, int], int] = {}
    boxes: list[Box] = []
    for number, (box, corners) in enumerate(cells):
        parents.append(number)
        boxes.append(box)
        for corner in corners:
            parents[_root(parents, owners.get(corner, number))] = number
            owners[corner] = number
    tables: dict[int, list[Box]] = defaultdict(list)
    for number, box in enumerate(boxes):
        tables[_root(parents, number)].append(box)
    return [table for table in tables.values() if len(table) in _CELLS_OF_A_TABLE]


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number
