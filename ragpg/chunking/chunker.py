"""Text -> spans: pure functions, no database and no model.

A document is read as a tree of blocks. What fits the window stays whole; what does not is split
into its parts, so that a list of small units tiles the text. The chunks are then the cheapest
segmentation of that list, found by dynamic programming as line breaking is in Knuth and Plass,
"Breaking Paragraphs into Lines" (1981): breaks inside a structure cost more than breaks between
structures, small chunks cost more than full ones, and a chunk should not end at a worse break than
one it holds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from ragpg.chunking.blocks import (
    COLONS,
    CONTAINERS,
    HEAD_ROW,
    LONE_FENCE,
    NAME_ROW,
    PARAGRAPH_BREAK,
    WORD,
    Block,
    Headings,
    blocks_of,
    is_label,
)
from ragpg.chunking.contexts import Contexts
from ragpg.chunking.sentences import sentence_spans, trim
from ragpg.chunking.units import Unit, shared_headings

TokenStarts = Sequence[int]
"""Sorted character offsets at which the tokens of a text start."""


@dataclass(frozen=True, slots=True)
class ChunkSpan:
    """A verbatim span of the text, and what is known about it.

    The content is `text[start_char:end_char]`, without outer whitespace. `context` is the heading
    path, before the first chunk also the title, for a table's later parts also its header rows and
    which rows they are; `token_count` is of the content.
    """

    start_char: int
    end_char: int
    context: str
    token_count: int


def chunk_text(
    text: str,
    *,
    title: str,
    media_type: str,
    token_starts: TokenStarts,
    count_tokens: Callable[[str], int],
    max_tokens: int,
    overlap_tokens: int = 0,
) -> list[ChunkSpan]:
    """Returns the chunks of the text, in order; together they hold all its non-blank characters.

    The tokens of a chunk's content and of its context are at most `max_tokens`.
    """
    if max_tokens < 1 or not 0 <= overlap_tokens < max_tokens:
        raise ValueError("max_tokens must be at least 1, overlap_tokens from 0 to below it")
    blocks = blocks_of(text, media_type)
    contexts = Contexts(title, count_tokens, max_tokens)
    limit = max_tokens
    while True:
        packer = _Packer(text, token_starts, contexts, limit, overlap_tokens)
        chunks = packer.chunks(blocks)
        excess = max((_excess(text, chunk, contexts, max_tokens) for chunk in chunks), default=0)
        if excess <= 0 or limit == 1:
            return chunks
        limit = max(1, limit - excess)


_EDGE_TOKENS = 8


def _excess(text: str, chunk: ChunkSpan, contexts: Contexts, max_tokens: int) -> int:
    """Returns by how many tokens the chunk exceeds the window.

    A chunk tokenized alone may differ from its part of the text by a few tokens at its edges, so
    only what nearly fills the window, or is cut within a word, is counted again.
    """
    start, end = chunk.start_char, chunk.end_char
    room = max_tokens - contexts.count(chunk.context)
    is_cut = _is_within_word(text, start) or _is_within_word(text, end)
    if chunk.token_count + _EDGE_TOKENS <= room and not is_cut:
        return 0
    return max(chunk.token_count, contexts.count_once(text[start:end])) - room


def _is_within_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()


# Segmentation ----------------------------------------------------------------------------------

# Chosen on half of the sets of benchmarks/chunking.py; docs/chunking.md has the other half.
# What a chunk costs by its squared emptiness (0 full, 1 empty); the unit of all costs is 1.
_EMPTY_COST = 0.5
# What it costs to end at a worse break than one inside the chunk, by how much worse it is.
_RAGGED_COST = 1.0
# What a break before a unit costs.
_COSTS = {"list": 0.1, "quote": 0.2, "item": 0.2, "table": 0.2, "code": 0.3, "text": 0.3}
_BLOCK_COST = 0.05
_LINE_COST = 0.5
_WORD_COST = 0.8
_ROWS_TOKENS = 8  # of "rows 1200 to 1300" in a context
_TIE_COST = 1.0  # between a label or "as follows:" and what it announces
# What each section after the first in a chunk costs: two full halves stay apart, small ones join.
_SECTION_COST = 0.22


class _Packer:
    """One text on its way to chunks of at most `limit` tokens, contexts included."""

    def __init__(
        self, text: str, token_starts: TokenStarts, contexts: Contexts, limit: int, overlap: int
    ) -> None:
        self._text = text
        self._token_starts = token_starts
        self._contexts = contexts
        self._limit = limit
        self._overlap = overlap
        self._start = trim(text, 0, len(text))[0]
        self._tells_rows = limit >= 8 * _ROWS_TOKENS

    def chunks(self, blocks: Sequence[Block]) -> list[ChunkSpan]:
        units = self._joined(
            unit for block in self._attached(blocks) for unit in self._units(block)
        )
        chunks: list[ChunkSpan] = []
        for first, after in self._segmentation(units):
            previous = chunks[-1].start_char if chunks else 0
            chunks.append(self._chunk(units[first:after], previous))
        return chunks

    def _tokens(self, start: int, end: int) -> int:
        return bisect_left(self._token_starts, end) - bisect_left(self._token_starts, start)

    def _room(self, path: Headings, header: str, start: int) -> int:
        """Returns the tokens left for the content of a chunk that begins at `start`."""
        context = self._contexts.count(self._contexts.text(path, header, start == self._start))
        rows = _ROWS_TOKENS if header and self._tells_rows else 0
        return max(1, self._limit - self._overlap - context - rows)

    # Units: what fits stays whole, what does not is split into its parts

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
        return self._tokens(block.start, block.end) > self._limit // 3

    def _cost_between(self, before: Block, block: Block) -> float:
        if block.kind == "heading":
            return 0.0
        leads_in = before.kind == "text" and self._leads_in(before, block)
        is_mark = not WORD.search(self._text, block.start, block.end)
        return _TIE_COST if leads_in or is_mark else _BLOCK_COST

    def _leads_in(self, before: Block, block: Block) -> bool:
        text = self._text[before.body : before.end].strip()
        return is_label(text) or (text[-1:] in COLONS and block.kind != "text")

    def _units(self, block: Block) -> Iterator[Unit]:
        start, end = trim(self._text, block.start, block.end)
        if start == end:
            return
        room = self._room(block.path, block.header, start)
        if self._tokens(start, end) <= room:
            yield self._unit(block, start, end, block.cost)
            return
        parts = self._parts(block)
        if not parts:
            yield from self._cut(block, room)
            return
        for part in parts:
            yield from self._units(part)

    def _joined(self, units: Iterable[Unit]) -> list[Unit]:
        """Returns the units, runs of tiny ones as one, so that few stand in a window."""
        joined: list[Unit] = []
        for unit in units:
            last = joined[-1] if joined else unit
            is_tiny = unit.after_token - last.first_token <= self._limit // 16
            if is_tiny and unit is not last and last.may_absorb(unit):
                joined[-1] = replace(
                    last, end=unit.end, after_token=unit.after_token, last_row=unit.last_row
                )
            else:
                joined.append(unit)
        return joined

    def _unit(self, block: Block, start: int, end: int, cost: float) -> Unit:
        first, after = (bisect_left(self._token_starts, at) for at in (start, end))
        return Unit(start, end, block.path, cost, block.header, block.row, block.row, first, after)

    def _parts(self, block: Block) -> list[Block]:
        """Returns the block's parts; the first of them begins where the block does."""
        if block.kind in CONTAINERS:
            cost = _COSTS[block.kind]
            parts = [replace(p, cost=max(cost, p.cost)) for p in self._attached(block.parts)]
            return self._first_from(block, parts)
        if block.kind == "table":
            return self._rows(block)
        if block.kind == "code":
            breaks = PARAGRAPH_BREAK.finditer(self._text, block.body, block.end)
            starts = [block.body, *(found.end() for found in breaks)]
            return self._code_parts(block, "lines", starts, _COSTS["code"])
        if block.kind == "lines":
            starts = self._line_starts(block.body, block.end)
            return self._code_parts(block, "line", starts, _LINE_COST)
        if block.kind in ("text", "heading"):
            sentences = sentence_spans(self._text[block.body : block.end])
            starts = [block.body + start for start, _ in sentences]
            return self._tile(block, "line", starts, _COSTS["text"])
        return []

    def _first_from(self, block: Block, parts: list[Block]) -> list[Block]:
        if not parts:
            return parts
        first = replace(parts[0], start=block.start, cost=block.cost, header=block.header)
        return [first, *parts[1:]]

    def _tile(self, block: Block, kind: str, starts: list[int], cost: float) -> list[Block]:
        edges = [*starts, block.end]
        parts = [
            Block(kind, a, a, b, block.path, cost=cost, header=block.header)
            for a, b in pairwise(edges)
        ]
        return self._first_from(block, parts)

    def _line_starts(self, start: int, end: int) -> list[int]:
        newlines = re.compile(r"\n(?=[^\n])").finditer(self._text, start, end)
        return [start, *(found.end() for found in newlines)]

    def _rows(self, block: Block) -> list[Block]:
        """Returns the rows; the header, of one row or several, stays with the first of them.

        A row with its first cell alone names the rows below it: it goes with them.
        """
        starts = [*self._line_starts(block.body, block.end), block.end]
        lines = [self._text[a:b].strip() for a, b in pairwise(starts)]
        heads = 2
        while heads < min(len(lines) - 1, 5) and HEAD_ROW.match(lines[heads]):
            heads += 1
        if len(lines) < heads + 2:
            return []
        titles = "\n".join([lines[0], *lines[2:heads]])
        parts = self._tile(block, "line", [starts[0], *starts[heads + 1 : -1]], _COSTS["table"])
        names = [bool(NAME_ROW.fullmatch(line)) for line in lines[heads:]]
        return [
            parts[0],
            *(
                replace(part, header=titles, row=n + 2, cost=self._row_cost(names[n], names[n + 1]))
                for n, part in enumerate(parts[1:])
            ),
        ]

    def _row_cost(self, before: bool, names: bool) -> float:
        if before:
            return _TIE_COST
        return _COSTS["table"] / 2 if names else _COSTS["table"]

    def _code_parts(self, block: Block, kind: str, starts: list[int], cost: float) -> list[Block]:
        """Returns the code between the starts; a fence is never a part of its own."""
        first, end = starts[0], block.end
        inner = [
            start
            for start in starts[1:]
            if not LONE_FENCE.fullmatch(self._text, first, start)
            and not LONE_FENCE.fullmatch(self._text, start, end)
        ]
        return self._tile(block, kind, [first, *inner], cost)

    def _cut(self, block: Block, room: int) -> Iterator[Unit]:
        """Yields pieces of even size, cut at whitespace where there is any, never in a token."""
        start, end = trim(self._text, block.start, block.end)
        cost = block.cost
        while (tokens := self._tokens(start, end)) > room:
            pieces = -(-tokens // room)
            at = self._cut_at(max(start, block.body), start, -(-tokens // pieces))
            yield self._unit(block, start, trim(self._text, start, at)[1], cost)
            start, cost = trim(self._text, at, end)[0], _WORD_COST
        yield self._unit(block, start, end, cost)

    def _cut_at(self, body: int, start: int, tokens: int) -> int:
        first = bisect_left(self._token_starts, start)
        target = self._token_starts[first + tokens]
        lowest = max(body, self._token_starts[first + tokens // 2])
        for at in range(target, lowest, -1):
            if self._text[at - 1].isspace():
                return at
        return target

    # Chunks: the cheapest segmentation of the units

    def _segmentation(self, units: list[Unit]) -> list[tuple[int, int]]:
        """Returns the (first, after) unit numbers of each chunk."""
        costs = [0.0, *([float("inf")] * len(units))]
        firsts = [0] * (len(units) + 1)
        for first in range(len(units)):
            for after, cost in self._candidates(units, first):
                total = costs[first] + units[first].cost + cost
                if total < costs[after]:
                    costs[after], firsts[after] = total, first
        segments = []
        after = len(units)
        while after > 0:
            segments.append((firsts[after], after))
            after = firsts[after]
        return segments[::-1]

    def _candidates(self, units: list[Unit], first: int) -> Iterator[tuple[int, float]]:
        """Yields where a chunk from this unit on may end, with its cost.

        It may go on in another section only if no heading that governs its start is lost: then that
        heading is either in its context or in its content.
        """
        unit = units[first]
        path, shared, depth = unit.path, len(unit.path), unit.depth
        room, sections = self._room(path, unit.header, unit.start), 0.0
        best = _TIE_COST
        for number, other in enumerate(islice(units, first, None), first):
            if other.path is not path:
                path = other.path
                shared = shared_headings(unit.path[:shared], path)
                if shared < depth:
                    return
                room = self._room(unit.path[:shared], unit.header, unit.start)
                sections += _SECTION_COST
            if number > first:
                best = min(best, other.cost)
            tokens = other.after_token - unit.first_token
            if tokens > room and number > first:
                if tokens > self._limit:
                    return
                continue
            end = units[number + 1].cost if number + 1 < len(units) else 0.0
            ragged = _RAGGED_COST * max(0.0, end - best)
            yield number + 1, _EMPTY_COST * (1 - tokens / room) ** 2 + sections + ragged

    def _chunk(self, units: list[Unit], previous: int) -> ChunkSpan:
        first = units[0]
        shared = min(shared_headings(first.path, unit.path) for unit in units)
        context = self._contexts.text(first.path[:shared], first.header, first.start == self._start)
        if first.header and self._tells_rows:
            last = max(unit.last_row for unit in units if unit.header == first.header)
            context += f"\nrows {first.row} to {last}"
        start, end = first.start, units[-1].end
        if self._overlap and first.depth == len(first.path) and start > previous:
            most = min(
                self._overlap,
                self._limit - self._contexts.count(context) - self._tokens(start, end),
            )
            floor = max([previous, *(heading.offset for heading in first.path)])
            start = self._earlier(start, floor, most)
        return ChunkSpan(start, end, context, self._tokens(start, end))

    def _earlier(self, start: int, floor: int, most: int) -> int:
        """Returns where the earliest sentence after `floor` starts, at most `most` tokens back."""
        spans = sentence_spans(self._text[floor:start])
        starts = (floor + a for a, _ in spans[1:])
        return next((at for at in starts if self._tokens(at, start) <= most), start)
