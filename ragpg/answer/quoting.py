"""Without a model: the best passages, quoted and sourced."""

from __future__ import annotations

from collections.abc import Sequence

from ragpg.answer.answers import Answer, Citation, Passage, cite
from ragpg.search import Hit

NOTHING_FITS = "Nothing in the collection fits this question, so no model was asked."
NO_KEY = (
    "No answer was generated, because no API key is set (ANTHROPIC_API_KEY)."
    " The passages that fit best:"
)
QUOTED_PASSAGES = 3
QUOTED_SENTENCES = 3


def quote(
    question: str, passages: Sequence[Passage], missing: Sequence[str], why: str = NO_KEY
) -> Answer:
    """Returns the best passages, quoted, and why it is they; without any, that nothing fits."""
    if not passages:
        told = f" Not found with the rest: {', '.join(missing)}." if missing else ""
        return Answer(question, NOTHING_FITS + told, (), (), abstained=True)
    text, citations = why, []
    for number, (hit, start, end) in enumerate(_best_quotes(question, passages), 1):
        text += f"\n\n[{number}] {_place(cite(hit, start, end, 0, 0))}\n"
        citations.append(cite(hit, start, end, len(text), len(text) + end - start))
        text += hit.content[start:end]
    return Answer(question, text, tuple(citations), ())


def _best_quotes(question: str, passages: Sequence[Passage]) -> list[tuple[Hit, int, int]]:
    best = passages[:QUOTED_PASSAGES]
    return [(passage.hit, *_best_window(question, passage)) for passage in best]


def _best_window(question: str, passage: Passage) -> tuple[int, int]:
    """Returns the run of sentences that shares most trigrams with the question, the first if tied.

    Trigrams need no list of words and see through endings, in any script.
    """
    spans, wanted = passage.sentences, _trigrams(question)
    windows = [
        (first[0], spans[min(place + QUOTED_SENTENCES, len(spans)) - 1][1])
        for place, first in enumerate(spans[: max(1, len(spans) - QUOTED_SENTENCES + 1)])
    ]
    content = passage.hit.content
    return max(windows, key=lambda window: len(wanted & _trigrams(content[slice(*window)])))


def _trigrams(text: str) -> set[str]:
    folded = text.casefold()
    return {folded[place : place + 3] for place in range(len(folded) - 2)}


def _place(citation: Citation) -> str:
    name = citation.title or citation.source
    source = f"{citation.source}, " if name != citation.source else ""
    page = f", page {citation.page}" if citation.page is not None else ""
    return f"{name} ({source}characters {citation.start_char}-{citation.end_char}{page})"
