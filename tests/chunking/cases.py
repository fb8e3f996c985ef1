"""What the tests of chunking and properties share."""

from __future__ import annotations

import re

from ragpg.chunking.chunker import ChunkSpan, chunk_text


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
