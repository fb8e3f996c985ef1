"""What was said before, as messages: the same bytes each time, within a bound of tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ragpg.answer.answering import search_result
from ragpg.answer.answers import Passage
from ragpg.chunking import sentence_spans
from ragpg.models import estimate_tokens
from ragpg.search import Hit

HISTORY_TOKENS = 24_000


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn that is over; `hits` are those of its first search, as they are stored."""

    turn: int
    question: str
    standalone: str | None
    answer: str
    is_answered: bool
    hits: list[dict[str, Any]]


def passages_of(hits: Sequence[Hit]) -> list[Passage]:
    """Returns what can be shown of hits: those with a sentence in them."""
    return [Passage(hit, spans) for hit in hits if (spans := sentence_spans(hit.content))]


def asked(passages: Sequence[Passage], question: str) -> dict[str, Any]:
    """Returns the message of a question: what its first search found, and the question."""
    content = [*map(search_result, passages), {"type": "text", "text": question}]
    return {"role": "user", "content": content}


def past_messages(
    turns: Sequence[PastTurn], most_tokens: int = HISTORY_TOKENS
) -> tuple[list[dict[str, Any]], list[Passage]]:
    """Returns the newest turns as messages, and the passages in them, in order.

    A turn is what its question was asked with and the text of its answer; what was not answered by
    a model is left out. Beyond the bound the oldest go, down to half of it at once: so the prefix
    that is cached lasts for several turns.
    """
    told = []
    for turn in turns:
        if turn.is_answered and turn.answer.strip() and turn.question.strip():
            passages = passages_of([_hit(hit) for hit in turn.hits if hit["content"]])
            answer = {"role": "assistant", "content": [{"type": "text", "text": turn.answer}]}
            told.append((passages, [asked(passages, turn.question), answer]))
    sizes = [estimate_tokens(json.dumps(messages)) for _, messages in told]
    kept = told[_first_kept(sizes, most_tokens) :]
    messages = [message for _, pair in kept for message in pair]
    return messages, [passage for passages, _ in kept for passage in passages]


def _first_kept(sizes: Sequence[int], most: int) -> int:
    """Returns the first turn that is sent, as it was moved on turn by turn."""
    first = total = 0
    for place, size in enumerate(sizes):
        total += size
        if total > most:
            while first <= place and total > most // 2:
                total -= sizes[first]
                first += 1
    return first


def _hit(stored: dict[str, Any]) -> Hit:
    return Hit(
        place=1,
        chunk_id=stored["chunk_id"] or 0,
        document_id=stored["document_id"],
        document_version=stored["document_version"],
        source=stored["source"],
        title=stored["heading"],
        content=stored["content"],
        context="",
        score=0.0,
        similarity=None,
        bm25=None,
        start_char=stored["start_char"],
        end_char=stored["end_char"],
        page=None,
        metadata={},
    )
