"""What a search returns, and how it may look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["hybrid", "vector", "keyword"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of `ragpg.search`.

    `content` is exactly the characters `[start_char, end_char)` (Unicode code points) of version
    `document_version` of the document `source`. `score` is what ordered the hits; `similarity` is
    the cosine to the question, `bm25` the score of its words (None where that leg did not run).
    """

    place: int
    chunk_id: int
    document_id: int
    document_version: int
    source: str
    title: str
    content: str
    context: str
    score: float
    similarity: float | None
    bm25: float | None
    start_char: int
    end_char: int
    page: int | None
    metadata: dict[str, Any]
