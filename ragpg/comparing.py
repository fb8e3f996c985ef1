"""Two search indexes asked the same questions: which finds the labelled text, how they agree."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from ragpg.errors import BadArgument
from ragpg.searching import Hit

Search = Callable[[str], list[Hit]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the texts that answer it: (source, quote)."""

    text: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two search indexes found; pairs are (first, second), None without labels.

    `recall` is the share of labelled questions with a hit that holds or touches a labelled quote,
    `reciprocal_rank` the mean of 1/place of the first such hit, `overlap` the share of characters
    found by the first that the second finds too, `better` questions where one's place is better.
    """

    questions: int
    recall: tuple[float, float] | None
    reciprocal_rank: tuple[float, float] | None
    better: tuple[int, int] | None
    overlap: float
    milliseconds: tuple[float, float]
    problems: tuple[str, ...]


def read_questions(path: Path) -> list[Question]:
    """Returns the answerable questions of a JSONL file: question, labels of source and quote."""
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
            labels = tuple((one["source"], one["quote"]) for one in row.get("labels", ()))
            questions.append(Question(row["question"], labels))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadArgument(
                f"{path}, line {number} is no question: it needs question and labels, each with "
                f"source and quote ({error!r})"
            ) from error
    return [question for question in questions if question.labels]


def compare(
    questions: Sequence[Question],
    searches: tuple[Search, Search],
    text_of: Callable[[str], str | None],
) -> Comparison:
    """Asks both; `text_of` gives a document's text by its source, to find the quotes in it."""
    spans, problems = _label_spans(questions, text_of)
    ranks: list[tuple[float, float]] = []
    overlaps: list[float] = []
    times: tuple[list[float], list[float]] = ([], [])
    for question in questions:
        found = [
            _timed(search, question.text, spent)
            for search, spent in zip(searches, times, strict=True)
        ]
        overlaps.append(_overlap(*found))
        if labelled := spans.get(question.text):
            ranks.append((_reciprocal(found[0], labelled), _reciprocal(found[1], labelled)))
    return Comparison(
        questions=len(questions),
        recall=_pair(ranks, lambda rank: rank > 0) if ranks else None,
        reciprocal_rank=_pair(ranks, float) if ranks else None,
        better=(sum(a > b for a, b in ranks), sum(b > a for a, b in ranks)) if ranks else None,
        overlap=mean(overlaps) if overlaps else 0.0,
        milliseconds=(_median(times[0]), _median(times[1])),
        problems=tuple(problems),
    )


def _label_spans(
    questions: Sequence[Question], text_of: Callable[[str], str | None]
) -> tuple[dict[str, list[tuple[str, int, int]]], list[str]]:
    spans: dict[str, list[tuple[str, int, int]]] = {}
    problems = []
    for question in questions:
        for source, quote in question.labels:
            start = (text_of(source) or "").find(quote)
            if start < 0:
                problems.append(f'"{quote[:60]}" is not in {source}: {question.text}')
            else:
                span = (source, start, start + len(quote))
                spans.setdefault(question.text, []).append(span)
    return spans, problems


def _timed(search: Search, question: str, spent: list[float]) -> list[Hit]:
    started = time.perf_counter()
    hits = search(question)
    spent.append((time.perf_counter() - started) * 1000)
    return hits


def _reciprocal(hits: Sequence[Hit], spans: Sequence[tuple[str, int, int]]) -> float:
    """Returns 1/place of the first hit that touches a labelled span, 0 without one."""
    for hit in hits:
        for source, start, end in spans:
            is_there = hit.source == source or hit.source.endswith("/" + source)
            if is_there and hit.start_char < end and start < hit.end_char:
                return 1 / hit.place
    return 0.0


def _overlap(first: Sequence[Hit], second: Sequence[Hit]) -> float:
    """Returns the share of the first's characters that the second holds too; 1 of nothing."""
    total = sum(hit.end_char - hit.start_char for hit in first)
    shared = sum(len(_characters(hit, second)) for hit in first)
    return shared / total if total else 1.0


def _characters(hit: Hit, others: Sequence[Hit]) -> set[int]:
    held: set[int] = set()
    for other in others:
        if other.document_id == hit.document_id:
            start = max(hit.start_char, other.start_char)
            held.update(range(start, min(hit.end_char, other.end_char)))
    return held


def _pair(
    ranks: Sequence[tuple[float, float]], measure: Callable[[float], float]
) -> tuple[float, float]:
    return mean(measure(a) for a, _ in ranks), mean(measure(b) for _, b in ranks)


def _median(values: Sequence[float]) -> float:
    return median(values) if values else 0.0
