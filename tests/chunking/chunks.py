"""Texts cut with tokens that can be counted by hand."""

from __future__ import annotations

import re
from itertools import pairwise

from ragpg.chunking import ChunkSpan, chunk_text


def token_starts(text: str) -> list[int]:
    return [found.start() for found in re.finditer(r"\w+|[^\w\s]", text)]


def count_tokens(text: str) -> int:
    return len(token_starts(text))


def chunk(
    text: str,
    max_tokens: int,
    *,
    title: str = "",
    media_type: str = "text/markdown",
    overlap_tokens: int = 0,
) -> list[ChunkSpan]:
    return chunk_text(
        text,
        title=title,
        media_type=media_type,
        token_starts=token_starts(text),
        count_tokens=count_tokens,
        max_tokens=max_tokens,
        overlap_tokens=overlap_tokens,
    )


def contents(text: str, max_tokens: int, *, title: str = "") -> list[tuple[str, str]]:
    return [
        (span.context, text[span.start_char : span.end_char])
        for span in chunk(text, max_tokens, title=title)
    ]


def covered(text: str, spans: list[tuple[int, int]]) -> bool:
    gaps = [(a, b) for (_, a), (b, _) in pairwise([(0, 0), *spans, (len(text), len(text))])]
    return all(a <= b and not text[a:b].strip() for a, b in gaps)
