"""SQLAlchemy models of ragpg's tables, for users who compose their own queries.

The database is made by the migrations, never from here; a test compares the columns. Constraints,
indexes and comments live in the database alone, and so do the weights of encoders.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    REAL,
    BigInteger,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_TIME = TIMESTAMP(timezone=True)
Key = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
KeyPart = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]
OfCollection = Annotated[
    int, mapped_column(BigInteger, ForeignKey("collections.id", ondelete="CASCADE"))
]
OfIndex = Annotated[
    int,
    mapped_column(
        BigInteger,
        ForeignKey("search_indexes.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
]
Int = Annotated[int, mapped_column(Integer)]
Real = Annotated[float, mapped_column(REAL)]
Price = Annotated[Decimal, mapped_column(Numeric)]
Count = Annotated[int, mapped_column(Integer, server_default=text("0"))]
Empty = Annotated[str, mapped_column(Text, server_default="")]
Now = Annotated[datetime, mapped_column(_TIME, server_default=func.now())]
Ints = Annotated[list[int], mapped_column(ARRAY(Integer), server_default=text("'{}'"))]
Texts = Annotated[list[str], mapped_column(ARRAY(Text), server_default=text("'{}'"))]
Halfvec = Annotated[Any, mapped_column(HALFVEC, nullable=False)]


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


class CollectionRow(Base):
    """A named set of documents that are searched together."""

    __tablename__ = "collections"

    id: Mapped[Key]
    name: Mapped[str]
    description: Mapped[Empty]
    active_index_id: Mapped[int | None] = mapped_column(
        ForeignKey("search_indexes.id", name="collections_active_index_id_fkey", use_alter=True)
    )
    created_at: Mapped[Now]
    search_log_share: Mapped[float] = mapped_column(REAL, server_default=text("0"))


class Document(Base):
    """One source text in its newest version."""

    __tablename__ = "documents"

    id: Mapped[Key]
    collection_id: Mapped[OfCollection]
    source: Mapped[str]
    title: Mapped[Empty]
    media_type: Mapped[str] = mapped_column(server_default="text/plain")
    content: Mapped[str]
    # "metadata" is taken by SQLAlchemy itself.
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", server_default=text("'{}'::jsonb"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    content_hash: Mapped[bytes] = mapped_column(Computed("ragpg_internal.hash_text(content)"))
    source_hash: Mapped[bytes | None]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]
    page_starts: Mapped[Ints]
    tenant: Mapped[Empty]


class DocumentVersion(Base):
    """An earlier version of a document."""

    __tablename__ = "document_versions"

    document_id: Mapped[KeyPart]
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    collection_id: Mapped[int]
    source: Mapped[str]
    title: Mapped[str]
    media_type: Mapped[str]
    content: Mapped[str]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    page_starts: Mapped[Ints]
    tenant: Mapped[Empty]


class EmbeddingModel(Base):
    """A model whose embeddings are stored."""

    __tablename__ = "embedding_models"

    id: Mapped[Key]
    provider: Mapped[str]
    name: Mapped[str]
    dimensions: Mapped[Int]
    max_tokens: Mapped[Int]
    probe: Mapped[Halfvec]
    created_at: Mapped[Now]


class SearchIndex(Base):
    """A recipe, whose chunks are a partition."""

    __tablename__ = "search_indexes"

    id: Mapped[Key]
    collection_id: Mapped[OfCollection]
    embedding_model_id: Mapped[int] = mapped_column(ForeignKey("embedding_models.id"))
    state: Mapped[str] = mapped_column(server_default="building")
    chunker: Mapped[str] = mapped_column(server_default="structure-2")
    chunk_tokens: Mapped[Int]
    overlap_tokens: Mapped[Count]
    language: Mapped[str] = mapped_column(server_default="english")
    vector_weight: Mapped[float] = mapped_column(REAL, server_default=text("0.55"))
    candidates: Mapped[int] = mapped_column(Integer, server_default=text("100"))
    ef_search: Mapped[int] = mapped_column(Integer, server_default=text("100"))
    min_similarity: Mapped[float] = mapped_column(REAL, server_default=text("0.25"))
    created_at: Mapped[Now]
    activated_at: Mapped[datetime | None]
    relevance_offset: Mapped[float | None]
    relevance_slope: Mapped[float | None]
    context_model: Mapped[str | None]
    context_tokens: Mapped[Count]
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
        {"postgresql_partition_by": "LIST (index_id)"},
    )

    index_id: Mapped[OfIndex]
    id: Mapped[int] = mapped_column(Identity(always=True))
    document_id: Mapped[KeyPart]
    document_version: Mapped[Int]
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    start_char: Mapped[Int]
    end_char: Mapped[Int]
    page: Mapped[Int | None]
    token_count: Mapped[Int]
    lexeme_count: Mapped[Int]
    language: Mapped[str]
    context: Mapped[Empty]
    content: Mapped[str]
    content_hash: Mapped[bytes] = mapped_column(
        Computed("ragpg_internal.hash_text(((context || E'\\n'::text) || content))")
    )
    lexemes: Mapped[Any] = mapped_column(TSVECTOR)
    embedding: Mapped[Halfvec]
    generated_chars: Mapped[Count]
    tenant: Mapped[Empty]


class ContextBatch(Base):
    """A batch of requests for sentences of context, handed to the Message Batches API."""

    __tablename__ = "context_batches"

    id: Mapped[Key]
    collection_id: Mapped[OfCollection]
    model: Mapped[str]
    request_count: Mapped[Int]
    provider_batch_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="submitting")
    error: Mapped[str | None]
    created_at: Mapped[Now]
    ended_at: Mapped[datetime | None]


class ChunkContext(Base):
    """A sentence of context that a language model wrote, by what it was asked."""

    __tablename__ = "chunk_contexts"

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
    input_tokens: Mapped[Count]
    output_tokens: Mapped[Count]
    cache_read_tokens: Mapped[Count]
    cache_creation_tokens: Mapped[Count]
    created_at: Mapped[Now]


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
    )

    index_id: Mapped[OfIndex]
    document_id: Mapped[KeyPart]
    document_version: Mapped[Int | None]
    chunk_count: Mapped[Count]
    indexed_at: Mapped[datetime | None]
    pending_since: Mapped[datetime | None]
    attempts: Mapped[Count]
    error: Mapped[str | None]
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    tenant: Mapped[Empty]


class IndexStatistics(Base):
    """What ranking needs to know of a whole search index."""

    __tablename__ = "index_statistics"

    index_id: Mapped[OfIndex]
    chunk_count: Mapped[int]
    mean_length: Mapped[Real]
    embedding_sample: Mapped[list[Any]] = mapped_column(ARRAY(HALFVEC))
    languages: Mapped[Texts]
    refreshed_at: Mapped[Now]
    document_sample: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}")
    tenant: Mapped[str] = mapped_column(primary_key=True, server_default="")


class LexemeStatistics(Base):
    """How common a word is in a search index."""

    __tablename__ = "lexeme_statistics"

    index_id: Mapped[OfIndex]
    lexeme: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    chunk_count: Mapped[Int]
    occurrence_count: Mapped[int]
    tenant: Mapped[str] = mapped_column(primary_key=True, server_default="")


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
    __table_args__ = (
        ForeignKeyConstraint(
            ["evaluation_set_id", "tenant"],
            ["evaluation_sets.id", "evaluation_sets.tenant"],
            name="evaluation_questions_evaluation_set_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
    )

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

    id: Mapped[Key]
    evaluation_question_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_questions.id", ondelete="CASCADE")
    )
    source: Mapped[str]
    quote: Mapped[str | None]
    start_char: Mapped[Int | None]
    end_char: Mapped[Int | None]


class AnswerFeedback(Base):
    """What a person thinks of an answer; the newest counts."""

    __tablename__ = "answer_feedback"

    id: Mapped[Key]
    answer_id: Mapped[int] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"))
    rating: Mapped[str]
    corrected_text: Mapped[str | None]
    comment: Mapped[Empty]
    given_by: Mapped[str] = mapped_column(server_default=text("current_user"))
    given_at: Mapped[Now]


class FinetuneJob(Base):
    """A dataset handed to a provider for fine-tuning, and what became of it."""

    __tablename__ = "finetune_jobs"

    id: Mapped[Key]
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
    created_at: Mapped[Now]
    updated_at: Mapped[Now]
    tenant: Mapped[Empty]


class EvaluationDraft(Base):
    """A question a model drafted, for a person to accept."""

    __tablename__ = "evaluation_drafts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["evaluation_set_id", "tenant"],
            ["evaluation_sets.id", "evaluation_sets.tenant"],
            name="evaluation_drafts_evaluation_set_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
    )

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

    id: Mapped[Key]
    evaluation_set_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_sets.id", ondelete="CASCADE")
    )
    index_id: Mapped[int]
    k: Mapped[Int]
    mode: Mapped[str]
    note: Mapped[Empty]
    recipe: Mapped[dict[str, Any]]
    started_at: Mapped[Now]
    finished_at: Mapped[datetime | None]


class EvaluationResult(Base):
    """What one question gave in one run."""

    __tablename__ = "evaluation_results"

    evaluation_run_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
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


class AnswerRow(Base):
    """What was asked, what was answered and what it cost."""

    __tablename__ = "answers"

    id: Mapped[Key]
    collection_id: Mapped[OfCollection]
    question: Mapped[str]
    content: Mapped[str]
    model: Mapped[str | None]
    abstained: Mapped[bool]
    grounded: Mapped[bool]
    stop_reason: Mapped[str | None]
    input_tokens: Mapped[Int]
    output_tokens: Mapped[Int]
    cache_read_tokens: Mapped[Int]
    cache_creation_tokens: Mapped[Int]
    latency_ms: Mapped[Int]
    created_at: Mapped[Now]
    tenant: Mapped[Empty]


class CitationRow(Base):
    """Which characters of which document version an answer rests on."""

    __tablename__ = "citations"

    id: Mapped[Key]
    answer_id: Mapped[int] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"))
    ordinal: Mapped[Int]
    document_id: Mapped[int]
    document_version: Mapped[Int]
    start_char: Mapped[Int]
    end_char: Mapped[Int]
    quote: Mapped[str]
    answer_start: Mapped[Int]
    answer_end: Mapped[Int]
    page: Mapped[Int | None]


class SearchRow(Base):
    """A search that was logged."""

    __tablename__ = "searches"

    id: Mapped[Key]
    collection_id: Mapped[OfCollection]
    index_id: Mapped[int]
    query: Mapped[str]
    query_embedding: Mapped[Any | None] = mapped_column(HALFVEC)
    mode: Mapped[str]
    k: Mapped[Int]
    filtered: Mapped[bool]
    hit_count: Mapped[Int]
    best_similarity: Mapped[Real | None]
    latency_ms: Mapped[Real]
    share: Mapped[Real]
    searched_at: Mapped[Now]
    tenant: Mapped[Empty]


class RecallMeasurement(Base):
    """What share of the truly nearest chunks a vector index found."""

    __tablename__ = "recall_measurements"

    id: Mapped[Key]
    index_id: Mapped[int] = mapped_column(ForeignKey("search_indexes.id", ondelete="CASCADE"))
    k: Mapped[Int]
    ef_search: Mapped[Int]
    queries: Mapped[Int]
    query_source: Mapped[str]
    recall: Mapped[float]
    worst_recall: Mapped[float]
    index_ms: Mapped[float]
    exact_ms: Mapped[float]
    measured_at: Mapped[Now]
    tenant: Mapped[Empty]


class ModelPrice(Base):
    """What a language model costs, per million tokens."""

    __tablename__ = "model_prices"

    model: Mapped[str] = mapped_column(primary_key=True)
    input_price: Mapped[Price]
    output_price: Mapped[Price]
    cache_read_price: Mapped[Price]
    cache_creation_price: Mapped[Price]


class Encoder(Base):
    """A model whose weights are in the database."""

    __tablename__ = "encoders"

    embedding_model_id: Mapped[int] = mapped_column(
        ForeignKey("embedding_models.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    layers: Mapped[Int]
    heads: Mapped[Int]
    width: Mapped[Int]
    pooling: Mapped[str]
    lower_case: Mapped[bool]
    strip_accents: Mapped[bool]
    unknown_token_id: Mapped[Int]
    first_token_id: Mapped[Int]
    last_token_id: Mapped[Int]
    special_tokens: Mapped[list[str]] = mapped_column(ARRAY(Text))
    longest_token: Mapped[Int]
    query_prefix: Mapped[str]
    max_query_tokens: Mapped[int] = mapped_column(Integer, server_default=text("64"))
    layer_norm_epsilon: Mapped[float]
    verified_cosine: Mapped[float | None]
    verified: Mapped[bool] = mapped_column(
        Computed("COALESCE((verified_cosine >= (0.9999)::double precision), false)")
    )
    loaded_at: Mapped[Now]
    cached_queries: Mapped[int] = mapped_column(Integer, server_default=text("10000"))
