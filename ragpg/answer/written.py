"""What a model wrote, as an answer: its citations, and whether every claim has one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragpg.answer.answers import DONT_KNOW, Answer, Citation, Passage, cite
from ragpg.chunking import sentence_spans
from ragpg.search import Hit

if TYPE_CHECKING:  # importing anthropic takes two seconds: only a call to the model pays them
    from anthropic.types import Message, TextCitation

DECLINED = "The model declined to answer this question."


def read_message(
    question: str, passages: Sequence[Passage], message: Message, model: str
) -> Answer:
    """Returns the answer a finished message holds; its citations point into these passages."""
    usage = message.usage
    answer = Answer(
        question,
        *_text_and_citations(message, passages),
        hits=(),
        model=message.model or model,
        stop_reason=message.stop_reason,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_input_tokens or 0,
        cache_creation_tokens=usage.cache_creation_input_tokens or 0,
    )
    if message.stop_reason == "refusal":
        return replace(answer, text=DECLINED, citations=(), abstained=True)
    if not answer.text.strip():
        text = f"The model wrote no answer (stop reason: {message.stop_reason})."
        return replace(answer, text=text, citations=(), abstained=True)
    return _judge(answer)


def _text_and_citations(
    message: Message, passages: Sequence[Passage]
) -> tuple[str, tuple[Citation, ...]]:
    text = ""
    citations: dict[Citation, None] = {}  # a set that keeps the order
    for block in message.content:
        if block.type == "text" and block.text:
            spans = [_located(citation, passages) for citation in block.citations or ()]
            end = len(text) + len(block.text)
            citations |= {cite(*span, len(text), end): None for span in spans if span}
            text += block.text
    return text, tuple(citations)


def _located(citation: TextCitation, passages: Sequence[Passage]) -> tuple[Hit, int, int] | None:
    """Returns the hit and the span of its content that is cited, None when the hits hold none."""
    if citation.type != "search_result_location":
        return None
    if citation.search_result_index not in range(len(passages)):
        return None
    passage = passages[citation.search_result_index]
    first, end, count = citation.start_block_index, citation.end_block_index, len(passage.sentences)
    if first not in range(count) or end not in range(first + 1, count + 1):
        return None
    return passage.hit, passage.sentences[first][0], passage.sentences[end - 1][1]


def _judge(answer: Answer) -> Answer:
    knows = not answer.text.strip().startswith(DONT_KNOW)
    abstained = not (answer.citations and knows)
    grounded = not abstained and _every_claim_is_cited(answer.text, answer.citations)
    return replace(answer, generated=True, abstained=abstained, grounded=grounded)


def _every_claim_is_cited(text: str, citations: Iterable[Citation]) -> bool:
    cited = {(citation.answer_start, citation.answer_end) for citation in citations}
    return not any(
        _has_uncited_claim(text, start, end, cited) for start, end in sentence_spans(text)
    )


def _has_uncited_claim(text: str, start: int, end: int, cited: set[tuple[int, int]]) -> bool:
    ends = [min(end, last) for first, last in cited if first < end and start < last]
    rest = text[max(ends, default=start) : end]
    introduces = not ends and (rest.startswith("#") or rest.rstrip("*_ ").endswith(":"))
    return not introduces and any(character.isalnum() for character in rest)
