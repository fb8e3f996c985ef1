"""SQLAlchemy models of ragpg's tables, for users who compose their own queries.

The database is made by the migrations, never from here; a test compares the two.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import (
    REAL,
    BigInteger,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, TIMESTAMP, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NOW = func.now()
_TIME = TIMESTAMP(timezone=True)


class Base(DeclarativeBase):
    """The models' common base; all tables are in the schema ragpg."""

    metadata = MetaData(schema="ragpg")
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        int: BigInteger,
        str: Text,
        bytes: LargeBinary,
        datetime: _TIME,
        dict[str, Any]: JSONB,
    }


def _key() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


class CollectionRow(Base):
    """A named set of documents that are searched together."""

    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("name", name="collections_name_key"),)

    id: Mapped[int] = _key()
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    active_index_id: Mapped[int | None] = mapped_column(
        ForeignKey("search_indexes.id", name="collections_active_index_id_fkey", use_alter=True)
    )
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    search_log_share: Mapped[float] = mapped_column(REAL, server_default=text("0"))


class Document(Base):
    """One source text in its newest version."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint(
            "collection_id",
            "tenant",
            "source",
            name="documents_collection_id_tenant_source_key",
        ),
        UniqueConstraint("id", "tenant", name="documents_id_tenant_key"),
        Index(
            "documents_metadata_gin",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
        ),
    )

    id: Mapped[int] = _key()
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    source: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    media_type: Mapped[str] = mapped_column(server_default="text/plain")
    content: Mapped[str]
    # "metadata" is taken by SQLAlchemy itself.
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    content_hash: Mapped[bytes] = mapped_column(Computed("ragpg.hash_text(content)"))
    source_hash: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    page_starts: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    tenant: Mapped[str] = mapped_column(server_default="")


class DocumentVersion(Base):
    """An earlier version of a document."""

    __tablename__ = "document_versions"
    __table_args__ = (
        Index(
            "document_versions_collection_id_tenant_source_btree",
            "collection_id",
            "tenant",
            "source",
        ),
    )

    document_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    collection_id: Mapped[int]
    source: Mapped[str]
    title: Mapped[str]
    media_type: Mapped[str]
    content: Mapped[str]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    page_starts: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    tenant: Mapped[str] = mapped_column(server_default="")


class EmbeddingModel(Base):
    """A model whose embeddings are stored."""

    __tablename__ = "embedding_models"
    __table_args__ = (
        UniqueConstraint(
            "provider",
            "name",
            "dimensions",
            name="embedding_models_provider_name_dimensions_key",
        ),
    )

    id: Mapped[int] = _key()
    provider: Mapped[str]
    name: Mapped[str]
    dimensions: Mapped[int] = mapped_column(Integer)
    max_tokens: Mapped[int] = mapped_column(Integer)
    probe: Mapped[Any] = mapped_column(HALFVEC)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class SearchIndex(Base):
    """A recipe, whose chunks are a partition."""

    __tablename__ = "search_indexes"
    __table_args__ = (Index("search_indexes_collection_id_btree", "collection_id"),)

    id: Mapped[int] = _key()
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    embedding_model_id: Mapped[int] = mapped_column(ForeignKey("embedding_models.id"))
    state: Mapped[str] = mapped_column(server_default="building")
    chunker: Mapped[str] = mapped_column(server_default="structure-2")
    chunk_tokens: Mapped[int] = mapped_column(Integer)
    overlap_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    language: Mapped[str] = mapped_column(server_default="english")
    vector_weight: Mapped[float] = mapped_column(REAL, server_default=text("0.55"))
    candidates: Mapped[int] = mapped_column(Integer, server_default=text("100"))
    ef_search: Mapped[int] = mapped_column(Integer, server_default=text("100"))
    min_similarity: Mapped[float] = mapped_column(REAL, server_default=text("0.25"))
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    activated_at: Mapped[datetime | None]
    relevance_offset: Mapped[float | None]
    relevance_slope: Mapped[float | None]
    context_model: Mapped[str | None]
    context_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    words_held_slope: Mapped[float] = mapped_column(server_default=text("0"))
    missing_names_slope: Mapped[float] = mapped_column(server_default=text("0"))
    unmatched_negation_slope: Mapped[float] = mapped_column(server_default=text("0"))
    min_relevance: Mapped[float | None]


class Chunk(Base):
    """A verbatim span of a document version under one search index.

    To use the vector index, order by `Chunk.embedding.cast(HALFVEC(384)).cosine_distance(v)` with
    the collection's dimensions and `Chunk.index_id == n`; the view chunks_of_<collection> does so.
    """

    __tablename__ = "chunks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["document_id", "tenant"],
            ["documents.id", "documents.tenant"],
            name="chunks_document_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        Index("chunks_id_btree", "id"),
        Index("chunks_content_hash_hash", "content_hash", postgresql_using="hash"),
        {"postgresql_partition_by": "LIST (index_id)"},
    )

    index_id: Mapped[int] = mapped_column(
        ForeignKey("search_indexes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    document_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document_version: Mapped[int] = mapped_column(Integer)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    start_char: Mapped[int] = mapped_column(Integer)
    end_char: Mapped[int] = mapped_column(Integer)
    page: Mapped[int | None] = mapped_column(Integer)
    token_count: Mapped[int] = mapped_column(Integer)
    lexeme_count: Mapped[int] = mapped_column(Integer)
    language: Mapped[str]
    context: Mapped[str] = mapped_column(server_default="")
    content: Mapped[str]
    content_hash: Mapped[bytes] = mapped_column(
        Computed("ragpg.hash_text(((context || E'\\n'::text) || content))")
    )
    lexemes: Mapped[Any] = mapped_column(TSVECTOR)
    embedding: Mapped[Any] = mapped_column(HALFVEC)
    generated_chars: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    tenant: Mapped[str] = mapped_column(server_default="")


class ContextBatch(Base):
    """A batch of requests for sentences of context, handed to the Message Batches API."""

    __tablename__ = "context_batches"
    __table_args__ = (Index("context_batches_collection_id_btree", "collection_id"),)

    id: Mapped[int] = _key()
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    model: Mapped[str]
    request_count: Mapped[int] = mapped_column(Integer)
    provider_batch_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="submitting")
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    ended_at: Mapped[datetime | None]


class ChunkContext(Base):
    """A sentence of context that a language model wrote, by what it was asked."""

    __tablename__ = "chunk_contexts"
    __table_args__ = (
        Index("chunk_contexts_collection_id_document_hash_btree", "collection_id", "document_hash"),
        Index(
            "chunk_contexts_batch_id_btree",
            "batch_id",
            postgresql_where=text("batch_id is not null"),
        ),
    )

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    asked_hash: Mapped[bytes] = mapped_column(primary_key=True)
    document_hash: Mapped[bytes]
    model: Mapped[str]
    sentence: Mapped[str | None]
    problem: Mapped[str | None]
    batch_id: Mapped[int | None] = mapped_column(
        ForeignKey("context_batches.id", ondelete="CASCADE")
    )
    input_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    output_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    cache_read_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    cache_creation_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class IndexDocument(Base):
    """Which version of a document a search index holds, and whether a newer one waits."""

    __tablename__ = "index_documents"
    __table_args__ = (
        ForeignKeyConstraint(
            ["document_id", "tenant"],
            ["documents.id", "documents.tenant"],
            name="index_documents_document_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        Index("index_documents_index_id_btree", "index_id"),
        Index(
            "index_documents_next_attempt_at_btree",
            "next_attempt_at",
            "document_id",
            postgresql_where=text("pending_since is not null"),
        ),
    )

    index_id: Mapped[int] = mapped_column(
        ForeignKey("search_indexes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    document_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document_version: Mapped[int | None] = mapped_column(Integer)
    chunk_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    indexed_at: Mapped[datetime | None]
    pending_since: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    error: Mapped[str | None]
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    tenant: Mapped[str] = mapped_column(server_default="")


class IndexStatistics(Base):
    """What ranking needs to know of a whole search index."""

    __tablename__ = "index_statistics"

    index_id: Mapped[int] = mapped_column(
        ForeignKey("search_indexes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    chunk_count: Mapped[int]
    mean_length: Mapped[float] = mapped_column(REAL)
    embedding_sample: Mapped[list[Any]] = mapped_column(ARRAY(HALFVEC))
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    refreshed_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    document_sample: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    tenant: Mapped[str] = mapped_column(primary_key=True, server_default="")


class LexemeStatistics(Base):
    """How common a word is in a search index."""

    __tablename__ = "lexeme_statistics"

    index_id: Mapped[int] = mapped_column(
        ForeignKey("search_indexes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    lexeme: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    chunk_count: Mapped[int] = mapped_column(Integer)
    occurrence_count: Mapped[int]
    tenant: Mapped[str] = mapped_column(primary_key=True, server_default="")


class EvaluationSet(Base):
    """A named set of questions a collection is measured with."""

    __tablename__ = "evaluation_sets"
    __table_args__ = (
        UniqueConstraint(
            "collection_id", "tenant", "name", name="evaluation_sets_collection_id_tenant_name_key"
        ),
        UniqueConstraint("id", "tenant", name="evaluation_sets_id_tenant_key"),
    )

    id: Mapped[int] = _key()
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    tenant: Mapped[str] = mapped_column(server_default="")


class EvaluationQuestion(Base):
    """A question of an evaluation set."""

    __tablename__ = "evaluation_questions"
    __table_args__ = (
        UniqueConstraint(
            "evaluation_set_id",
            "tenant",
            "question",
            name="evaluation_questions_evaluation_set_id_question_key",
        ),
        ForeignKeyConstraint(
            ["evaluation_set_id", "tenant"],
            ["evaluation_sets.id", "evaluation_sets.tenant"],
            name="evaluation_questions_evaluation_set_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
    )

    id: Mapped[int] = _key()
    evaluation_set_id: Mapped[int]
    question: Mapped[str]
    expected_answer: Mapped[str | None]
    is_answerable: Mapped[bool] = mapped_column(server_default=text("true"))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    tenant: Mapped[str] = mapped_column(server_default="")


class EvaluationLabel(Base):
    """Where the answer to a question stands."""

    __tablename__ = "evaluation_labels"
    __table_args__ = (
        Index("evaluation_labels_evaluation_question_id_btree", "evaluation_question_id"),
    )

    id: Mapped[int] = _key()
    evaluation_question_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_questions.id", ondelete="CASCADE")
    )
    source: Mapped[str]
    quote: Mapped[str | None]
    start_char: Mapped[int | None] = mapped_column(Integer)
    end_char: Mapped[int | None] = mapped_column(Integer)


class AnswerFeedback(Base):
    """What a person thinks of an answer; the newest counts."""

    __tablename__ = "answer_feedback"
    __table_args__ = (Index("answer_feedback_answer_id_btree", "answer_id"),)

    id: Mapped[int] = _key()
    answer_id: Mapped[int] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"))
    rating: Mapped[str]
    corrected_text: Mapped[str | None]
    comment: Mapped[str] = mapped_column(server_default="")
    given_by: Mapped[str] = mapped_column(server_default=text("current_user"))
    given_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class FinetuneJob(Base):
    """A dataset handed to a provider for fine-tuning, and what became of it."""

    __tablename__ = "finetune_jobs"

    id: Mapped[int] = _key()
    provider: Mapped[str]
    base_model: Mapped[str]
    training_hash: Mapped[bytes]
    validation_hash: Mapped[bytes | None]
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    training_file_id: Mapped[str | None]
    validation_file_id: Mapped[str | None]
    job_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="uploading")
    finished_model: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    tenant: Mapped[str] = mapped_column(server_default="")


class EvaluationDraft(Base):
    """A question a model drafted, for a person to accept."""

    __tablename__ = "evaluation_drafts"
    __table_args__ = (
        UniqueConstraint(
            "evaluation_set_id",
            "tenant",
            "question",
            name="evaluation_drafts_evaluation_set_id_question_key",
        ),
        ForeignKeyConstraint(
            ["evaluation_set_id", "tenant"],
            ["evaluation_sets.id", "evaluation_sets.tenant"],
            name="evaluation_drafts_evaluation_set_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        Index("evaluation_drafts_document_id_btree", "document_id"),
    )

    id: Mapped[int] = _key()
    evaluation_set_id: Mapped[int]
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    question: Mapped[str]
    expected_answer: Mapped[str]
    quote: Mapped[str]
    start_char: Mapped[int] = mapped_column(Integer)
    model: Mapped[str]
    drafted_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    rejected_at: Mapped[datetime | None]
    tenant: Mapped[str] = mapped_column(server_default="")


class EvaluationRun(Base):
    """One asking of an evaluation set."""

    __tablename__ = "evaluation_runs"
    __table_args__ = (Index("evaluation_runs_evaluation_set_id_btree", "evaluation_set_id"),)

    id: Mapped[int] = _key()
    evaluation_set_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_sets.id", ondelete="CASCADE")
    )
    index_id: Mapped[int]
    k: Mapped[int] = mapped_column(Integer)
    mode: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    recipe: Mapped[dict[str, Any]]
    started_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    finished_at: Mapped[datetime | None]


class EvaluationResult(Base):
    """What one question gave in one run."""

    __tablename__ = "evaluation_results"
    __table_args__ = (
        Index(
            "evaluation_results_answer_id_btree",
            "answer_id",
            postgresql_where=text("answer_id is not null"),
        ),
        Index("evaluation_results_evaluation_question_id_btree", "evaluation_question_id"),
    )

    evaluation_run_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    evaluation_question_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_questions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    hit_count: Mapped[int] = mapped_column(Integer)
    relevant_chunks: Mapped[int] = mapped_column(Integer)
    first_relevant_place: Mapped[int | None] = mapped_column(Integer)
    latency_ms: Mapped[float]
    labels: Mapped[int] = mapped_column(Integer)
    lost_labels: Mapped[int] = mapped_column(Integer)
    split_labels: Mapped[int] = mapped_column(Integer)
    labelled_spans: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("answers.id", ondelete="SET NULL"))
    grade: Mapped[str | None]
    grade_reason: Mapped[str | None]


class EvaluationHit(Base):
    """A hit of a question of a run."""

    __tablename__ = "evaluation_hits"
    __table_args__ = (
        ForeignKeyConstraint(
            ["evaluation_run_id", "evaluation_question_id"],
            [
                "ragpg.evaluation_results.evaluation_run_id",
                "ragpg.evaluation_results.evaluation_question_id",
            ],
            ondelete="CASCADE",
        ),
    )

    evaluation_run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    evaluation_question_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    is_relevant: Mapped[bool]
    document_id: Mapped[int]
    document_version: Mapped[int] = mapped_column(Integer)
    source: Mapped[str]
    start_char: Mapped[int] = mapped_column(Integer)
    end_char: Mapped[int] = mapped_column(Integer)
    score: Mapped[float]
    similarity: Mapped[float | None]
    bm25: Mapped[float | None]


class AnswerRow(Base):
    """What was asked, what was answered and what it cost."""

    __tablename__ = "answers"
    __table_args__ = (
        Index("answers_collection_id_created_at_btree", "collection_id", "created_at"),
    )

    id: Mapped[int] = _key()
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    question: Mapped[str]
    content: Mapped[str]
    model: Mapped[str | None]
    abstained: Mapped[bool]
    grounded: Mapped[bool]
    stop_reason: Mapped[str | None]
    input_tokens: Mapped[int] = mapped_column(Integer)
    output_tokens: Mapped[int] = mapped_column(Integer)
    cache_read_tokens: Mapped[int] = mapped_column(Integer)
    cache_creation_tokens: Mapped[int] = mapped_column(Integer)
    latency_ms: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    tenant: Mapped[str] = mapped_column(server_default="")


class CitationRow(Base):
    """Which characters of which document version an answer rests on."""

    __tablename__ = "citations"
    __table_args__ = (
        UniqueConstraint("answer_id", "ordinal", name="citations_answer_id_ordinal_key"),
        Index("citations_document_id_btree", "document_id"),
    )

    id: Mapped[int] = _key()
    answer_id: Mapped[int] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"))
    ordinal: Mapped[int] = mapped_column(Integer)
    document_id: Mapped[int]
    document_version: Mapped[int] = mapped_column(Integer)
    start_char: Mapped[int] = mapped_column(Integer)
    end_char: Mapped[int] = mapped_column(Integer)
    quote: Mapped[str]
    answer_start: Mapped[int] = mapped_column(Integer)
    answer_end: Mapped[int] = mapped_column(Integer)
    page: Mapped[int | None] = mapped_column(Integer)


class SearchRow(Base):
    """A search that was logged."""

    __tablename__ = "searches"
    __table_args__ = (
        Index("searches_collection_id_searched_at_btree", "collection_id", "searched_at"),
    )

    id: Mapped[int] = _key()
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    index_id: Mapped[int]
    query: Mapped[str]
    query_embedding: Mapped[Any | None] = mapped_column(HALFVEC)
    mode: Mapped[str]
    k: Mapped[int] = mapped_column(Integer)
    filtered: Mapped[bool]
    hit_count: Mapped[int] = mapped_column(Integer)
    best_similarity: Mapped[float | None] = mapped_column(REAL)
    latency_ms: Mapped[float] = mapped_column(REAL)
    share: Mapped[float] = mapped_column(REAL)
    searched_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    tenant: Mapped[str] = mapped_column(server_default="")


class RecallMeasurement(Base):
    """What share of the truly nearest chunks a vector index found."""

    __tablename__ = "recall_measurements"
    __table_args__ = (
        Index("recall_measurements_index_id_measured_at_btree", "index_id", "measured_at"),
    )

    id: Mapped[int] = _key()
    index_id: Mapped[int] = mapped_column(ForeignKey("search_indexes.id", ondelete="CASCADE"))
    k: Mapped[int] = mapped_column(Integer)
    ef_search: Mapped[int] = mapped_column(Integer)
    queries: Mapped[int] = mapped_column(Integer)
    query_source: Mapped[str]
    recall: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    worst_recall: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    index_ms: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    exact_ms: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    measured_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    tenant: Mapped[str] = mapped_column(server_default="")


class ModelPrice(Base):
    """What a language model costs, per million tokens."""

    __tablename__ = "model_prices"

    model: Mapped[str] = mapped_column(primary_key=True)
    input_price: Mapped[Decimal] = mapped_column(Numeric)
    output_price: Mapped[Decimal] = mapped_column(Numeric)
    cache_read_price: Mapped[Decimal] = mapped_column(Numeric)
    cache_creation_price: Mapped[Decimal] = mapped_column(Numeric)


class Encoder(Base):
    """A model whose weights are in the database."""

    __tablename__ = "encoders"

    embedding_model_id: Mapped[int] = mapped_column(
        ForeignKey("embedding_models.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    layers: Mapped[int] = mapped_column(Integer)
    heads: Mapped[int] = mapped_column(Integer)
    width: Mapped[int] = mapped_column(Integer)
    pooling: Mapped[str]
    lower_case: Mapped[bool]
    strip_accents: Mapped[bool]
    unknown_token_id: Mapped[int] = mapped_column(Integer)
    first_token_id: Mapped[int] = mapped_column(Integer)
    last_token_id: Mapped[int] = mapped_column(Integer)
    special_tokens: Mapped[list[str]] = mapped_column(ARRAY(Text))
    longest_token: Mapped[int] = mapped_column(Integer)
    query_prefix: Mapped[str]
    max_query_tokens: Mapped[int] = mapped_column(Integer, server_default=text("64"))
    layer_norm_epsilon: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    verified_cosine: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    verified: Mapped[bool] = mapped_column(
        Computed("COALESCE((verified_cosine >= (0.9999)::double precision), false)")
    )
    loaded_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    cached_queries: Mapped[int] = mapped_column(Integer, server_default=text("10000"))


def _encoder_key() -> Mapped[int]:
    return mapped_column(
        ForeignKey("encoders.embedding_model_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )


class EncoderToken(Base):
    """A token of an encoder's vocabulary."""

    __tablename__ = "encoder_vocabulary"

    embedding_model_id: Mapped[int] = _encoder_key()
    token: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    token_id: Mapped[int] = mapped_column(Integer)


class EncoderEmbedding(Base):
    """The vector of a token."""

    __tablename__ = "encoder_embeddings"

    embedding_model_id: Mapped[int] = _encoder_key()
    token_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    embedding: Mapped[Any] = mapped_column(HALFVEC)


class EncoderPosition(Base):
    """The vector of a place in the text."""

    __tablename__ = "encoder_positions"

    embedding_model_id: Mapped[int] = _encoder_key()
    token_position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    embedding: Mapped[Any] = mapped_column(VECTOR)


class EncoderLayer(Base):
    """LayerNorm of a layer."""

    __tablename__ = "encoder_layers"

    embedding_model_id: Mapped[int] = _encoder_key()
    layer: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    attention_gain: Mapped[Any | None] = mapped_column(VECTOR)
    attention_shift: Mapped[Any | None] = mapped_column(VECTOR)
    output_gain: Mapped[Any] = mapped_column(VECTOR, nullable=False)
    output_shift: Mapped[Any] = mapped_column(VECTOR, nullable=False)


class EncoderWeights(Base):
    """A row of a matrix."""

    __tablename__ = "encoder_weights"

    embedding_model_id: Mapped[int] = _encoder_key()
    layer: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    matrix: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    weights: Mapped[Any] = mapped_column(VECTOR)


class QueryEmbedding(Base):
    """What an encoder made of a question: a cache."""

    __tablename__ = "query_embeddings"
    __table_args__ = (
        Index(
            "query_embeddings_embedding_model_id_tenant_query_hash_btree",
            "embedding_model_id",
            "tenant",
            "query_hash",
        ),
        Index("query_embeddings_embedding_model_id_id_btree", "embedding_model_id", "id"),
    )

    id: Mapped[int] = _key()
    embedding_model_id: Mapped[int] = mapped_column(
        ForeignKey("embedding_models.id", ondelete="CASCADE")
    )
    query_hash: Mapped[bytes]
    embedding: Mapped[Any] = mapped_column(VECTOR)
    weights_loaded_at: Mapped[datetime]
    stored_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    tenant: Mapped[str] = mapped_column(server_default="")
