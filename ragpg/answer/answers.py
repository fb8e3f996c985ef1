"""An answer, its citations, and the passages it is written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ragpg.search import Hit

DONT_KNOW = "The search results do not hold the answer."


@dataclass(frozen=True, slots=True)
class Citation:
    """What one span of an answer rests on.

    `quote` is exactly the characters `[start_char, end_char)` (Unicode code points) of version
    `document_version` of the document; it supports `Answer.text[answer_start:answer_end]`.
    """

    document_id: int
    document_version: int
    source: str
    title: str
    start_char: int
    end_char: int
    quote: str
    answer_start: int
    answer_end: int
    page: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, what it rests on, and what it cost.

    `model` is the model that was asked, None when none was. `generated`: a model wrote `text`.
    `abstained`: nothing fitted the question, the model declined or said that it does not know,
    or no part of what it wrote is cited.

    `grounded`: a model wrote the text, did not abstain, and every claim in it is cited. Each
    sentence with a letter or digit in it is a claim, save a heading (`#`) or a sentence that ends
    in a colon. It is cited when it overlaps a text block whose citation was found in the hits and
    no word follows the last such block within the sentence: words may lead into a citation
    ("According to the manual, ...") but not trail after one.

    `stop_reason` is the API's word; `max_tokens` says that `text` ends before its end. What looked
    more than once, or is a turn of a conversation, has its `steps` (`ragpg.conversation.Step`),
    what ended them (`ragpg.answers.ended_by`) and the `standalone` question of a follow-up.
    """

    question: str
    text: str
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    model: str | None = None
    generated: bool = False
    abstained: bool = False
    grounded: bool = False
    stop_reason: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    latency_ms: int = 0
    id: int | None = None  # set once stored
    steps: tuple[Any, ...] = ()
    ended_by: str | None = None
    conversation_id: int | None = None
    standalone: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit and the spans of its sentences."""

    hit: Hit
    sentences: list[tuple[int, int]]


def cite(hit: Hit, start: int, end: int, answer_start: int, answer_end: int) -> Citation:
    """Returns the citation of a span of a hit's content by a span of an answer."""
    return Citation(
        document_id=hit.document_id,
        document_version=hit.document_version,
        source=hit.source,
        title=hit.title,
        start_char=hit.start_char + start,
        end_char=hit.start_char + end,
        quote=hit.content[start:end],
        answer_start=answer_start,
        answer_end=answer_end,
        page=hit.page,
    )
