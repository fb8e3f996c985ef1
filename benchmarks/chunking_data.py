"""Documents and questions whose answers are labelled as spans, for benchmarks/chunking.py.

Each set is cut in two by document: `tune` is what the chunker was developed on, `report` what the
figures are of. chunking_eval has two documents only, so there the questions are cut in two.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Span = tuple[int, int]
Rows = list[dict[str, Any]]
Item = TypeVar("Item")

MOST_QUESTIONS = 400
PAPERS = 12  # of covid_qa in each half: those with the most questions
CONTEXTS = 10  # of tatqa in one document
REPORTS = 8  # of tatqa in each half


@dataclass(frozen=True, slots=True)
class Document:
    """A text to be chunked."""

    id: str
    title: str
    text: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the document that answers it, and the spans that do."""

    text: str
    document: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class SpanSet:
    """Documents and questions over them; `within`: each asks its own document only."""

    documents: list[Document]
    questions: list[Question]
    within: bool = False


def load_set(folder: Path, name: str, half: str) -> SpanSet:
    """Returns that half (`tune` or `report`) of the set, at most MOST_QUESTIONS questions."""
    data = _LOADERS[name](folder / name, half)
    step = max(1, -(-len(data.questions) // MOST_QUESTIONS))
    return SpanSet(data.documents, data.questions[::step], data.within)


def _chunking_eval(folder: Path, half: str) -> SpanSet:
    documents = _documents(_rows(folder / "corpus.jsonl"), "text/plain")
    answers = _by_id(folder / "spans.jsonl")
    rows = _rows(folder / "queries.jsonl")
    questions = [
        _question(row["text"], answers[row["_id"]]["doc_id"], answers[row["_id"]]["spans"])
        for row in rows
    ]
    return SpanSet(documents, _half(questions, half))


def _covid_qa(folder: Path, half: str) -> SpanSet:
    """Papers in full. Those with the most questions, so that few papers carry many."""
    answers = _by_id(folder / "answers.jsonl")
    counts = Counter(row["doc_id"] for row in answers.values())
    papers = [name for name, _ in counts.most_common(2 * PAPERS)]
    chosen = set(_half(papers, half))
    documents = _documents(
        (row for row in _rows(folder / "corpus.jsonl") if row["_id"] in chosen), "text/plain"
    )
    questions = [
        _question(row["text"], answers[row["_id"]]["doc_id"], answers[row["_id"]]["spans"][:1])
        for row in _rows(folder / "queries.jsonl")
        if answers[row["_id"]]["doc_id"] in chosen
    ]
    return SpanSet(documents, questions)


def _squad2(folder: Path, half: str) -> SpanSet:
    """Articles: their paragraphs joined by blank lines. The first annotator's span counts."""
    answers = {key: row for key, row in _by_id(folder / "answers.jsonl").items() if row["spans"]}
    asked = {row["article_id"] for row in answers.values()}
    articles = sorted(_rows(folder / "articles.jsonl"), key=lambda row: row["_id"] not in asked)
    chosen = _half(articles, half)
    known = {row["_id"] for row in chosen}
    questions = [
        _question(row["text"], found["article_id"], found["article_spans"][:1])
        for row in _rows(folder / "queries.jsonl")
        if (found := answers.get(row["_id"])) and found["article_id"] in known
    ]
    return SpanSet(_documents(chosen, "text/plain"), questions)


def _tatqa(folder: Path, half: str) -> SpanSet:
    """Tables and text of annual reports, CONTEXTS of them joined by blank lines to one document.

    The questions were written with their context in view ("What is the total in 2019?"), so they
    are asked of their own document only. Labels: each answer, or each operand of a calculation,
    that occurs exactly once in the context; in a table, its whole row.
    """
    rows = _rows(folder / "corpus_dev.jsonl")
    groups = [rows[first : first + CONTEXTS] for first in range(0, len(rows), CONTEXTS)]
    documents, places = [], {}
    for number, group in list(enumerate(groups))[:: 1 if half == "tune" else -1][:REPORTS]:
        text = ""
        for row in group:
            places[row["_id"]] = (f"report {number}", len(text), row["text"])
            text += row["text"] + "\n\n"
        documents.append(Document(f"report {number}", "", text, "text/markdown"))
    answers = _by_id(folder / "answers_dev.jsonl")
    questions = []
    for row in _rows(folder / "queries_dev.jsonl"):
        answer = answers[row["_id"]]
        if answer["doc_id"] in places:
            document, offset, text = places[answer["doc_id"]]
            spans = _evidence(text, answer)
            if spans:
                moved = [(offset + start, offset + end) for start, end in spans]
                questions.append(_question(row["text"], document, moved))
    return SpanSet(documents, questions, within=True)


def _evidence(context: str, answer: dict[str, Any]) -> list[Span]:
    if answer["answer_type"] == "arithmetic":
        parts = re.findall(r"\d[\d,]*\.?\d*", answer["derivation"])
    else:
        parts = [str(part) for part in answer["answers"]]
    spans = set()
    for part in parts:
        found = list(re.finditer(rf"(?<![\w.,]){re.escape(part)}(?![\w,]|\.\d)", context))
        if len(found) != 1:
            return []
        start, end = found[0].span()
        line = context.rfind("\n", 0, start) + 1
        if context.startswith("|", line):
            start, end = line, context.find("\n", line) % (len(context) + 1)
        spans.add((start, end))
    return sorted(spans)


_LOADERS: dict[str, Callable[[Path, str], SpanSet]] = {
    "chunking_eval": _chunking_eval,
    "covid_qa": _covid_qa,
    "squad2": _squad2,
    "tatqa": _tatqa,
}
SETS = tuple(_LOADERS)


def _half(items: list[Item], half: str) -> list[Item]:
    return items[::2] if half == "tune" else items[1::2]


def _question(text: str, document: str, spans: Iterable[Iterable[int]]) -> Question:
    ordered = sorted((start, end) for start, end in spans)
    return Question(text, document, tuple(ordered))


def _documents(rows: Iterable[dict[str, Any]], media_type: str) -> list[Document]:
    return [Document(row["_id"], row["title"], row["text"], media_type) for row in rows]


def _by_id(path: Path) -> dict[str, dict[str, Any]]:
    return {row["_id"]: row for row in _rows(path)}


def _rows(path: Path) -> Rows:
    lines = path.read_bytes().decode().split("\n")  # not splitlines: texts hold U+2028
    return [json.loads(line) for line in lines if line]
