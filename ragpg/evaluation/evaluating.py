"""Evaluation: questions into the database, runs over them, their measures out of its views."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from ragpg.database import Database
from ragpg.errors import BadArgument
from ragpg.evaluation import queries
from ragpg.evaluation.grading import Grade
from ragpg.models import HalfVector
from ragpg.search import Mode

Progress = Callable[[int, int], None]
Answering = Callable[[str, str | None], tuple[int | None, Grade | None]]
"""From a question and the answer expected to the stored answer's id, if it is, and its grade."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure of two runs on the questions both asked, by `ragpg.compare_runs`.

    `low` and `high` bound the difference (second - first) at 95 % by paired bootstrap.
    """

    measure: str
    questions: int
    first_mean: float
    second_mean: float
    difference: float
    low: float
    high: float
    better: int
    worse: int

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `ragpg.calibrate` chose: `ask` abstains below `min_similarity` or `min_relevance`.

    `kept` of the `answerable` questions are answered and `refused` of the `unanswerable` are not,
    each measured on questions it was not chosen on, with 95 % intervals (Wilson 1927); beside what
    a threshold on similarity alone does to the same questions. Where that is as good,
    `min_relevance` is None.
    """

    min_similarity: float
    min_relevance: float | None
    relevance_weights: list[float]
    answerable: int
    kept: float
    kept_low: float
    kept_high: float
    unanswerable: int
    refused: float
    refused_low: float
    refused_high: float
    kept_by_similarity: float
    refused_by_similarity: float


def read_questions(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a JSONL file: question; labels, expected answer, tags if any.

    A label has `source` and `quote`, or `start_char` and `end_char`, or neither for the whole
    document. Raises BadArgument naming the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _question(json.loads(line))
            except (ValueError, BadArgument) as error:
                raise BadArgument(
                    f"{path}, line {number} is no question: {error}; a line is an object such as "
                    '{"question": "...", "labels": [{"source": "...", "quote": "..."}]}'
                ) from error


def _question(row: Any) -> dict[str, Any]:
    """Returns what is stored of a row; raises BadArgument for what it lacks."""
    _check(row, dict, "the line")
    _no_misspelt(row, ("question", "labels", "answer", "expected_answer", "answerable", "tags"))
    _check(row.get("question"), str, '"question"')
    if not row["question"].strip():
        raise BadArgument('"question" is empty')
    labels = _check(row.get("labels") or [], list, '"labels"')
    named = ("source", "quote", "start_char", "end_char")
    for number, label in enumerate(labels, 1):
        _no_misspelt(_check(label, dict, f"label {number}"), named)
        _check(label.get("source"), str, f'"source" of label {number}')
        for name, kind in (("quote", str), ("start_char", int), ("end_char", int)):
            _check(label.get(name), (kind, type(None)), f'"{name}" of label {number}')
    return {
        "question": row["question"],
        "labels": Jsonb([{name: label.get(name) for name in named} for label in labels]),
        "expected_answer": row.get("answer", row.get("expected_answer")),
        "is_answerable": bool(row.get("answerable", True)),
        "tags": [str(tag) for tag in _check(row.get("tags") or [], list, '"tags"')],
    }


def _no_misspelt(row: dict[str, Any], known: Sequence[str]) -> None:
    """Raises BadArgument for a key that is nearly a known one; others are somebody's own."""
    for name in row.keys() - set(known):
        near = difflib.get_close_matches(name.lower(), known, 1, 0.8)
        if near and near[0] not in row:
            raise BadArgument(f'its key "{name}" is unknown: is "{near[0]}" meant?')


_KINDS = {dict: "an object", list: "a list", str: "text", int: "a number"}


def _check(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """Returns the value; raises BadArgument unless it is of the kind."""
    if isinstance(value, kind):
        return value
    wanted = _KINDS[kind[0] if isinstance(kind, tuple) else kind]
    raise BadArgument(f"{what} is {'missing' if value is None else f'{value!r:.60}'}, not {wanted}")


def load_set(database: Database, collection: str, name: str, path: Path) -> int:
    """Makes the evaluation set hold the file's questions, all or none; returns how many."""
    rows = list(read_questions(path))
    if not rows:
        raise BadArgument(f"{path} holds no question")
    of_set = {"collection": collection, "evaluation_set": name}
    with database.connection() as connection:  # one transaction
        for row in rows:
            connection.execute(queries.PUT_EVALUATION_QUESTION, {**of_set, **row})
        kept = [row["question"] for row in rows]
        connection.execute(queries.KEEP_EVALUATION_QUESTIONS, {**of_set, "kept": kept})
    return len(rows)


def run_set(
    database: Database,
    collection: str,
    name: str,
    embed: Callable[[str], Any],
    *,
    k: int,
    mode: Mode,
    index_id: int | None,
    note: str = "",
    is_trial: bool = False,
    answer: Answering | None = None,
    progress: Progress | None = None,
) -> int:
    """Asks every question and returns the run's id.

    Interrupted, the run stays unfinished; a trial goes. `embed` gives a question's embedding, or
    None when the database shall make it.
    """
    run_id = database.value(
        queries.START_EVALUATION,
        collection=collection,
        evaluation_set=name,
        k=k,
        mode=mode,
        index_id=index_id,
        note=note,
        is_trial=is_trial,
    )
    try:
        _ask_all(database, run_id, embed if mode != "keyword" else lambda _: None, answer, progress)
    except BaseException:
        if is_trial:  # half of one is nothing to judge by
            database.execute(queries.DELETE_RUNS, run_ids=[run_id])
        raise
    database.execute(queries.FINISH_EVALUATION, run_id=run_id)
    return int(run_id)


def _ask_all(
    database: Database,
    run_id: int,
    embed: Callable[[str], Any],
    answer: Answering | None,
    progress: Progress | None,
) -> None:
    asked = database.rows(queries.QUESTIONS_OF_RUN, run_id=run_id)
    for done, row in enumerate(asked, 1):
        vector = embed(row["question"])
        database.execute(
            queries.EVALUATE_QUESTION,
            run_id=run_id,
            question_id=row["id"],
            query_embedding=None if vector is None else HalfVector(vector),
        )
        if answer:
            answer_id, grade = answer(row["question"], row["expected_answer"])
            database.execute(
                queries.NOTE_ANSWER,
                run_id=run_id,
                question_id=row["id"],
                answer_id=answer_id,
                grade=grade and grade.grade,
                grade_reason=grade and grade.reason,
            )
        if progress:
            progress(done, len(asked))


def compare_runs(
    database: Database, first: int, second: int, split: str | None = None
) -> list[Difference]:
    """Returns the rows of `ragpg.compare_runs`, one a measure; split is train or held-out."""
    found = database.records(
        Difference, queries.COMPARE_RUNS, first=first, second=second, split=split
    )
    if not found:
        raise BadArgument(f"runs {first} and {second} have no labelled question in common")
    return found
