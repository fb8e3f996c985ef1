"""The units a text is tiled with: chunks are runs of them."""

from __future__ import annotations

from dataclasses import dataclass

from ragpg.chunking.blocks import Headings


@dataclass(frozen=True, slots=True)
class Unit:
    """A span that is not broken further."""

    start: int
    end: int
    path: Headings
    cost: float
    header: str
    row: int
    last_row: int
    first_token: int
    after_token: int

    @property
    def depth(self) -> int:
        """How many headings lie before the unit, so that its chunk must name them."""
        return sum(heading.offset < self.start for heading in self.path)

    def may_absorb(self, other: Unit) -> bool:
        """Returns whether no heading, header or cheaper break lies between the two."""
        same = self.path is other.path and self.header == other.header
        return same and self.cost <= other.cost


def shared_headings(path: Headings, other: Headings) -> int:
    """Returns how many headings the two paths begin with in common."""
    if path is other:
        return len(path)
    pairs = zip(path, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a is not b), min(len(path), len(other)))
