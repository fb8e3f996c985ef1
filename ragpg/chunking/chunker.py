"""Text -> spans: pure functions, no database and no model.

A document is read as a tree of blocks. What fits the window stays whole; what does not is split
into its parts, so that a list of small units tiles the text. The chunks are then the cheapest
segmentation of that list, found by dynamic programming as line breaking is in Knuth and Plass,
"Breaking Paragraphs into Lines" (1981): breaks inside a structure cost more than breaks between
structures, small chunks cost more than full ones, and a chunk should not end at a worse break than
one it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ragpg.chunking.blocks import Block, Headings, blocks_of
from ragpg.chunking.contexts import Contexts
from ragpg.chunking.sentences import sentence_spans
from ragpg.chunking.units import TIE_COST, Splitter, Unit


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
    token_starts: Sequence[int],
    count_tokens: Callable[[str], int],
    max_tokens: int,
    overlap_tokens: int = 0,
) -> list[ChunkSpan]:
    """Returns the chunks of the text, in order; together they hold all its non-blank characters.

    `token_starts` are the offsets, ascending, at which the tokens of the text start. The tokens of
    a chunk's content and of its context are at most `max_tokens`.
    """
    if max_tokens < 1 or not 0 <= overlap_tokens < max_tokens:
        raise ValueError("max_tokens must be at least 1, overlap_tokens from 0 to below it")
    blocks = blocks_of(text, media_type)
    contexts = Contexts(title, count_tokens, max_tokens)
    limit = max_tokens
    while True:
        splitter = Splitter(text, token_starts, contexts, limit, overlap_tokens)
        chunks = _Packer(text, splitter, limit, overlap_tokens).chunks(blocks)
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

# What a chunk costs by its squared emptiness (0 full, 1 empty); the unit of all costs is 1.
_EMPTY_COST = 0.5
# What it costs to end at a worse break than one inside the chunk, by how much worse it is.
_RAGGED_COST = 1.0
# What each section after the first in a chunk costs: two full halves stay apart, small ones join.
_SECTION_COST = 0.22


class _Packer:
    """Finds the cheapest segmentation of one text's units into chunks."""

    def __init__(self, text: str, splitter: Splitter, limit: int, overlap: int) -> None:
        self._text = text
        self._splitter = splitter
        self._limit = limit
        self._overlap = overlap

    def chunks(self, blocks: Sequence[Block]) -> list[ChunkSpan]:
        units = self._splitter.units(blocks)
        chunks: list[ChunkSpan] = []
        for first, after in self._segmentation(units):
            previous = chunks[-1].start_char if chunks else 0
            chunks.append(self._chunk(units[first:after], previous))
        return chunks

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
        block, path, depth = unit.block, unit.block.path, unit.depth
        shared, sections, best = len(path), 0.0, TIE_COST
        room = self._splitter.room(block, shared, unit.start)
        for number, other in enumerate(islice(units, first, None), first):
            if other.block.path is not path:
                path = other.block.path
                shared = _shared(block.path[:shared], path)
                if shared < depth:
                    return
                room = self._splitter.room(block, shared, unit.start)
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
        start, end, block = units[0].start, units[-1].end, units[0].block
        shared = min(_shared(block.path, unit.block.path) for unit in units)
        context = self._splitter.context(block, shared, start)
        if self._splitter.tells_rows(block):
            last = max(one.last_row for one in units if one.block.header == block.header)
            context += f"\nrows {block.row} to {last}"
        if self._overlap and units[0].depth == len(block.path) and start > previous:
            start = self._earlier(start, end, context, [previous, *(h.offset for h in block.path)])
        return ChunkSpan(start, end, context, self._splitter.tokens(start, end))

    def _earlier(self, start: int, end: int, context: str, floors: list[int]) -> int:
        """Returns where the earliest sentence within the overlap, and after the floors, starts."""
        tokens = self._splitter.tokens
        room = self._limit - self._splitter.contexts.count(context) - tokens(start, end)
        floor, most = max(floors), min(self._overlap, room)
        starts = (floor + a for a, _ in sentence_spans(self._text[floor:start])[1:])
        return next((at for at in starts if tokens(at, start) <= most), start)


def _shared(path: Headings, other: Headings) -> int:
    """Returns how many headings the two paths have in common."""
    if path is other:
        return len(path)
    pairs = zip(path, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a is not b), min(len(path), len(other)))
