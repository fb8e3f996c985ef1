"""Evaluation: questions into the database, runs over them, their measures out of its views."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgvector import HalfVector
from psycopg.types.json import Jsonb

from ragpg.database import Database
from ragpg.errors import BadArgument
from ragpg.evaluation import queries
from ragpg.evaluation.grading import Grade
from ragpg.search import Mode

Progress = Callable[[int, int], None]
Answering = Callable[[str, str | None], tuple[int, Grade | None]]
"""From a question and the answer expected to the id of the stored answer and its grade."""


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
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BadArgument(
                    f"{path}, line {number} is no question: it needs question, and labels with "
                    f"source and quote ({error!r})"
                ) from error


def _question(row: dict[str, Any]) -> dict[str, Any]:
    labels = [
        {
            "source": label["source"],
            "quote": label.get("quote"),
            "start_char": label.get("start_char"),
            "end_char": label.get("end_char"),
        }
        for label in row.get("labels") or ()
    ]
    return {
        "question": str(row["question"]),
        "labels": Jsonb(labels),
        "expected_answer": row.get("answer", row.get("expected_answer")),
        "is_answerable": bool(row.get("answerable", True)),
        "tags": [str(tag) for tag in row.get("tags") or ()],
    }


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
    answer: Answering | None = None,
    progress: Progress | None = None,
) -> int:
    """Asks every question and returns the run's id; interrupted, the run stays unfinished.

    `embed` gives a question's embedding, or None when the database shall make it.
    """
    run_id = database.value(
        queries.START_EVALUATION,
        collection=collection,
        evaluation_set=name,
        k=k,
        mode=mode,
        index_id=index_id,
        note=note,
    )
    asked = database.rows(queries.QUESTIONS_OF_RUN, run_id=run_id)
    for done, row in enumerate(asked, 1):
        vector = None if mode == "keyword" else embed(row["question"])
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
    database.execute(queries.FINISH_EVALUATION, run_id=run_id)
    return int(run_id)


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
