"""What lies on a page: characters and lines with their places, in points from its top left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

Box = tuple[float, float, float, float]  # left, top, right, bottom


class Char(NamedTuple):
    """A character of the page; `is_generated` ones are what PDFium adds between pieces of text."""

    text: str
    box: Box
    is_generated: bool
    is_bold: bool


class Segment(NamedTuple):
    """A piece of a line, with wide gaps around it."""

    left: float
    right: float
    text: str


@dataclass(slots=True)
class Line:
    """A printed line; `size` is its characters' usual height in points."""

    text: str
    box: Box
    size: float
    is_bold: bool
    segments: tuple[Segment, ...] = ()


def bounds(boxes: Iterable[Box]) -> Box:
    """Returns the smallest box around the boxes, of which there must be one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def holds(box: Box, inner: Box) -> bool:
    """Returns whether the centre of the inner box is in the box."""
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def overlap(first: Box, second: Box) -> bool:
    """Returns whether one box is above the other, as far as left and right go."""
    return first[0] < second[2] and second[0] < first[2]


def distinct(places: Iterable[float], distance: float) -> list[float]:
    """Returns the places in order, those no farther than that from the one before left out."""
    kept: list[float] = []
    for place in sorted(places):
        if not kept or place > kept[-1] + distance:
            kept.append(place)
    return kept
