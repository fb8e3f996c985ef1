"""Blocks -> units: what fits the window stays whole, what does not is split into its parts."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ragpg.chunking.blocks import (
    COLONS,
    CONTAINERS,
    HEAD_ROW,
    LONE_FENCE,
    NAME_ROW,
    PARAGRAPH_BREAK,
    WORD,
    Block,
    is_label,
)
from ragpg.chunking.contexts import Contexts
from ragpg.chunking.sentences import sentence_spans, trim

# What a break before a unit costs, by the kind of block it breaks. These, and those of chunker.py,
# were chosen on half of the sets of benchmarks/chunking.py; docs/chunking.md has the other half.
_COSTS = {"list": 0.1, "quote": 0.2, "item": 0.2, "table": 0.2, "code": 0.3, "text": 0.3,
          "lines": 0.5}  # fmt: skip
_BLOCK_COST = 0.05
_WORD_COST = 0.8
TIE_COST = 1.0  # between a label or "as follows:" and what it announces
_ROWS_TOKENS = 8  # of "rows 1200 to 1300" in a context


@dataclass(frozen=True, slots=True)
class Unit:
    """A span that is not broken further: of a block, or of a run of its rows."""

    start: int
    end: int
    block: Block
    cost: float
    last_row: int
    first_token: int
    after_token: int

    @property
    def depth(self) -> int:
        """How many headings lie before the unit, so that its chunk must name them."""
        return sum(heading.offset < self.start for heading in self.block.path)

    def may_absorb(self, other: Unit) -> bool:
        """Returns whether no heading, header or cheaper break lies between the two."""
        mine, others = self.block, other.block
        is_same = mine.path is others.path and mine.header == others.header
        return is_same and self.cost <= other.cost


class Splitter:
    """Splits one text into units for chunks of at most `limit` tokens, contexts included."""

    def __init__(
        self, text: str, token_starts: Sequence[int], contexts: Contexts, limit: int, overlap: int
    ) -> None:
        self._text = text
        self._token_starts = token_starts
        self.contexts = contexts
        self._limit = limit
        self._overlap = overlap
        self._start = trim(text, 0, len(text))[0]
        self._tells_rows = limit >= 8 * _ROWS_TOKENS

    def units(self, blocks: Sequence[Block]) -> list[Unit]:
        """Returns the units, runs of tiny ones as one, so that few stand in a window."""
        joined: list[Unit] = []
        for unit in (unit for block in self._attached(blocks) for unit in self._units(block)):
            last = joined[-1] if joined else unit
            is_tiny = unit.after_token - last.first_token <= self._limit // 16
            if is_tiny and unit is not last and last.may_absorb(unit):
                after, row = unit.after_token, unit.last_row
                joined[-1] = replace(last, end=unit.end, after_token=after, last_row=row)
            else:
                joined.append(unit)
        return joined

    def tokens(self, start: int, end: int) -> int:
        return self._token(end) - self._token(start)

    def _token(self, at: int) -> int:
        return bisect_left(self._token_starts, at)

    def context(self, of: Block, depth: int, start: int) -> str:
        """Returns the context of a chunk from `start` on with so many of the block's headings."""
        return self.contexts.text(of.path[:depth], of.header, start == self._start)

    def room(self, of: Block, depth: int, start: int) -> int:
        """Returns the tokens left for the content of a chunk with that context."""
        context = self.contexts.count(self.context(of, depth, start))
        rows = _ROWS_TOKENS if self.tells_rows(of) else 0
        return max(1, self._limit - self._overlap - context - rows)

    def tells_rows(self, of: Block) -> bool:
        """Returns whether the context says which rows of a table the chunk holds."""
        return bool(of.header) and self._tells_rows

    def _attached(self, blocks: Sequence[Block]) -> Iterator[Block]:
        """Yields the blocks, headings joined to what follows them."""
        pending: Block | None = None
        before: Block | None = None
        for block in blocks:
            is_heading = block.kind == "heading"
            if pending and is_heading and self._is_long(pending):
                yield pending
                pending = None
            if pending:
                block = replace(block, start=pending.start, cost=pending.cost)
            elif before:
                block = replace(block, cost=self._cost_between(before, block))
            if not is_heading:
                yield block
            pending = block if is_heading else None
            before = block
        if pending:
            yield pending

    def _is_long(self, block: Block) -> bool:
        return self.tokens(block.start, block.end) > self._limit // 3

    def _cost_between(self, before: Block, block: Block) -> float:
        if block.kind == "heading":
            return 0.0
        is_mark = not WORD.search(self._text, block.start, block.end)
        return TIE_COST if is_mark or self._leads_in(before, block) else _BLOCK_COST

    def _leads_in(self, before: Block, block: Block) -> bool:
        text = self._text[before.body : before.end].strip()
        ends_open = text[-1:] in COLONS and block.kind != "text"
        return before.kind == "text" and (is_label(text) or ends_open)

    def _units(self, block: Block) -> Iterator[Unit]:
        start, end = trim(self._text, block.start, block.end)
        if start == end:
            return
        room = self.room(block, len(block.path), start)
        if self.tokens(start, end) <= room:
            yield self._unit(block, start, end, block.cost)
        elif parts := self._parts(block):
            for part in parts:
                yield from self._units(part)
        else:
            yield from self._pieces(block, start, end, room)

    def _unit(self, block: Block, start: int, end: int, cost: float) -> Unit:
        return Unit(start, end, block, cost, block.row, self._token(start), self._token(end))

    # Parts of a block

    def _parts(self, block: Block) -> list[Block]:
        """Returns the block's parts; the first of them begins where the block does."""
        text, start, end = self._text, block.body, block.end
        if block.kind in CONTAINERS:
            cost = _COSTS[block.kind]
            parts = (replace(p, cost=max(cost, p.cost)) for p in self._attached(block.parts))
            return _first_from(block, parts)
        if block.kind == "table":
            return self._rows(block)
        if block.kind == "code":
            starts = [found.end() for found in PARAGRAPH_BREAK.finditer(text, start, end)]
            return _tiles(block, "lines", self._without_fences(block, starts))
        if block.kind == "lines":
            return _tiles(block, "line", self._without_fences(block, self._line_starts(block)))
        if block.kind in ("text", "heading"):
            sentences = sentence_spans(text[start:end])
            return _tiles(block, "line", [start + first for first, _ in sentences[1:]])
        return []

    def _line_starts(self, block: Block) -> list[int]:
        newlines = re.compile(r"\n(?=[^\n])").finditer(self._text, block.body, block.end)
        return [found.end() for found in newlines]

    def _rows(self, block: Block) -> list[Block]:
        """Returns the rows; the header, of one row or several, stays with the first of them.

        A row with its first cell alone names the rows below it: it goes with them.
        """
        starts = self._line_starts(block)
        edges = [block.body, *starts, block.end]
        lines = [self._text[a:b].strip() for a, b in pairwise(edges)]
        heads = 2
        while heads < min(len(lines) - 1, 5) and HEAD_ROW.match(lines[heads]):
            heads += 1
        if len(lines) < heads + 2:
            return []
        header = "\n".join([lines[0], *lines[2:heads]])
        first, *rows = _tiles(block, "line", starts[heads:])
        names = [bool(NAME_ROW.fullmatch(line)) for line in lines[heads:]]
        costs = (_row_cost(*two) for two in pairwise(names))
        told = enumerate(zip(rows, costs, strict=True), 2)
        return [first, *(replace(row, header=header, row=n, cost=c) for n, (row, c) in told)]

    def _without_fences(self, block: Block, starts: list[int]) -> list[int]:
        """Returns the starts of parts of code but those that leave a fence on its own."""
        is_fence = LONE_FENCE.fullmatch
        return [
            start
            for start in starts
            if not is_fence(self._text, block.body, start)
            and not is_fence(self._text, start, block.end)
        ]

    # Pieces of what has no parts

    def _pieces(self, block: Block, start: int, end: int, room: int) -> Iterator[Unit]:
        """Yields pieces of even size, cut at whitespace where there is any, never in a token."""
        cost = block.cost
        while (tokens := self.tokens(start, end)) > room and self.tokens(start + 1, end):
            pieces = -(-tokens // room)
            at = self._cut_at(max(start, block.body), start, -(-tokens // pieces))
            yield self._unit(block, start, trim(self._text, start, at)[1], cost)
            start, cost = trim(self._text, at, end)[0], _WORD_COST
        yield self._unit(block, start, end, cost)

    def _cut_at(self, body: int, start: int, tokens: int) -> int:
        first = self._token(start)
        target = self._token_starts[max(first + tokens, bisect_right(self._token_starts, start))]
        lowest = max(body, self._token_starts[first + tokens // 2])
        return next(
            (at for at in range(target, lowest, -1) if self._text[at - 1].isspace()), target
        )


def _tiles(block: Block, kind: str, starts: Iterable[int]) -> list[Block]:
    """Returns the parts of the block from its body and from each of the starts on."""
    cost = _COSTS.get(block.kind, _COSTS["text"])
    edges = pairwise([block.body, *starts, block.end])
    parts = (Block(kind, a, a, b, block.path, cost=cost, header=block.header) for a, b in edges)
    return _first_from(block, parts)


def _first_from(block: Block, parts: Iterable[Block]) -> list[Block]:
    return [
        part if n else replace(part, start=block.start, cost=block.cost, header=block.header)
        for n, part in enumerate(parts)
    ]


def _row_cost(is_after_name: bool, is_name: bool) -> float:
    if is_after_name:
        return TIE_COST
    return _COSTS["table"] / 2 if is_name else _COSTS["table"]
