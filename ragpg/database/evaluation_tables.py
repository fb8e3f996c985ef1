"""SQLAlchemy models of the evaluation tables; `tables` has them too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from ragpg.database.table_types import (
    Base,
    Empty,
    Int,
    Key,
    KeyPart,
    Now,
    OfCollection,
    Texts,
    of_tenant,
)


class EvaluationSet(Base):
    """A named set of questions a collection is measured with."""

    __tablename__ = "evaluation_sets"

    id: Mapped[Key]
    collection_id: Mapped[OfCollection]
    name: Mapped[str]
    description: Mapped[Empty]
    created_at: Mapped[Now]
    tenant: Mapped[Empty]


class EvaluationQuestion(Base):
    """A question of an evaluation set."""

    __tablename__ = "evaluation_questions"
    __table_args__ = (of_tenant("evaluation_sets", "evaluation_set_id"),)

    id: Mapped[Key]
    evaluation_set_id: Mapped[int]
    question: Mapped[str]
    expected_answer: Mapped[str | None]
    is_answerable: Mapped[bool] = mapped_column(server_default=text("true"))
    tags: Mapped[Texts]
    created_at: Mapped[Now]
    tenant: Mapped[Empty]


class EvaluationLabel(Base):
    """Where the answer to a question stands."""

    __tablename__ = "evaluation_labels"
    __table_args__ = (of_tenant("evaluation_questions", "evaluation_question_id"),)

    id: Mapped[Key]
    evaluation_question_id: Mapped[int]
    source: Mapped[str]
    quote: Mapped[str | None]
    start_char: Mapped[Int | None]
    end_char: Mapped[Int | None]
    tenant: Mapped[Empty]


class EvaluationDraft(Base):
    """A question a model drafted, for a person to accept."""

    __tablename__ = "evaluation_drafts"
    __table_args__ = (of_tenant("evaluation_sets", "evaluation_set_id"),)

    id: Mapped[Key]
    evaluation_set_id: Mapped[int]
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    question: Mapped[str]
    expected_answer: Mapped[str]
    quote: Mapped[str]
    start_char: Mapped[Int]
    model: Mapped[str]
    drafted_at: Mapped[Now]
    rejected_at: Mapped[datetime | None]
    tenant: Mapped[Empty]


class EvaluationRun(Base):
    """One asking of an evaluation set."""

    __tablename__ = "evaluation_runs"
    __table_args__ = (of_tenant("evaluation_sets", "evaluation_set_id"),)

    id: Mapped[Key]
    evaluation_set_id: Mapped[int]
    index_id: Mapped[int]
    k: Mapped[Int]
    mode: Mapped[str]
    note: Mapped[Empty]
    is_trial: Mapped[bool] = mapped_column(server_default=text("false"))
    recipe: Mapped[dict[str, Any]]
    started_at: Mapped[Now]
    finished_at: Mapped[datetime | None]
    tenant: Mapped[Empty]


class EvaluationResult(Base):
    """What one question gave in one run."""

    __tablename__ = "evaluation_results"
    __table_args__ = (of_tenant("evaluation_runs", "evaluation_run_id"),)

    evaluation_run_id: Mapped[KeyPart]
    evaluation_question_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_questions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    hit_count: Mapped[Int]
    relevant_chunks: Mapped[Int]
    first_relevant_place: Mapped[Int | None]
    latency_ms: Mapped[float]
    labels: Mapped[Int]
    lost_labels: Mapped[Int]
    split_labels: Mapped[Int]
    labelled_spans: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("answers.id", ondelete="SET NULL"))
    grade: Mapped[str | None]
    grade_reason: Mapped[str | None]
    tenant: Mapped[Empty]


class EvaluationHit(Base):
    """A hit of a question of a run."""

    __tablename__ = "evaluation_hits"
    __table_args__ = (
        of_tenant("evaluation_results", "evaluation_run_id", "evaluation_question_id"),
    )

    evaluation_run_id: Mapped[KeyPart]
    evaluation_question_id: Mapped[KeyPart]
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    is_relevant: Mapped[bool]
    document_id: Mapped[int]
    document_version: Mapped[Int]
    source: Mapped[str]
    start_char: Mapped[Int]
    end_char: Mapped[Int]
    score: Mapped[float]
    similarity: Mapped[float | None]
    bm25: Mapped[float | None]
    tenant: Mapped[Empty]
