"""SQLAlchemy models of ragpg's tables, for users who compose their own queries.

The database is made by the migrations, never from here; a test compares the columns. Constraints,
indexes and comments live in the database alone, and so do tables that only functions read: weights
of encoders, statistics of words, batches and jobs under way.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import REAL, Computed, ForeignKey, Identity, Integer, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from ragpg.database.evaluation_tables import EvaluationDraft as EvaluationDraft
from ragpg.database.evaluation_tables import EvaluationHit as EvaluationHit
from ragpg.database.evaluation_tables import EvaluationLabel as EvaluationLabel
from ragpg.database.evaluation_tables import EvaluationQuestion as EvaluationQuestion
from ragpg.database.evaluation_tables import EvaluationResult as EvaluationResult
from ragpg.database.evaluation_tables import EvaluationRun as EvaluationRun
from ragpg.database.evaluation_tables import EvaluationSet as EvaluationSet
from ragpg.database.table_types import Base as Base
from ragpg.database.table_types import (
    Count,
    Empty,
    Halfvec,
    Int,
    Ints,
    Key,
    KeyPart,
    Now,
    OfCollection,
    OfIndex,
    Price,
    Real,
    of_tenant,
)


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
    row_of: Mapped[UUID | None]


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
    vector_weight: Mapped[float | None] = mapped_column(REAL)
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
    quantize: Mapped[str] = mapped_column(server_default="none")


class Chunk(Base):
    """A verbatim span of a document version under one search index.

    To use the vector index, order by `Chunk.embedding.cast(HALFVEC(384)).cosine_distance(v)` with
    the collection's dimensions and `Chunk.index_id == n`; the view chunks_of_<collection> does so.
    """

    __tablename__ = "chunks"
    __table_args__ = (
        of_tenant("documents", "document_id"),
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


class IndexDocument(Base):
    """Which version of a document a search index holds, and whether a newer one waits."""

    __tablename__ = "index_documents"
    __table_args__ = (of_tenant("documents", "document_id"),)

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


class AnswerFeedback(Base):
    """What a person thinks of an answer; the newest counts."""

    __tablename__ = "answer_feedback"
    __table_args__ = (of_tenant("answers", "answer_id"),)

    id: Mapped[Key]
    answer_id: Mapped[int]
    rating: Mapped[str]
    corrected_text: Mapped[str | None]
    comment: Mapped[Empty]
    given_by: Mapped[str] = mapped_column(server_default=text("current_user"))
    given_at: Mapped[Now]
    tenant: Mapped[Empty]


class AnswerRow(Base):
    """What was asked, what was answered and what it cost."""

    __tablename__ = "answers"
    __table_args__ = (of_tenant("conversations", "conversation_id"),)

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
    conversation_id: Mapped[int | None]
    turn: Mapped[Int | None]
    standalone: Mapped[str | None]
    ended_by: Mapped[str | None]


class ConversationRow(Base):
    """A conversation, whose turns are answers."""

    __tablename__ = "conversations"

    id: Mapped[Key]
    collection_id: Mapped[OfCollection]
    created_at: Mapped[Now]
    tenant: Mapped[Empty]


class AnswerStepRow(Base):
    """What was looked up for an answer."""

    __tablename__ = "answer_steps"
    __table_args__ = (of_tenant("answers", "answer_id"),)

    id: Mapped[Key]
    answer_id: Mapped[int]
    place: Mapped[Int]
    tool: Mapped[str]
    query: Mapped[str]
    filter: Mapped[str | None]
    k: Mapped[Int | None]
    start_char: Mapped[Int | None]
    end_char: Mapped[Int | None]
    hits: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    input_tokens: Mapped[Int]
    output_tokens: Mapped[Int]
    cache_read_tokens: Mapped[Int]
    cache_creation_tokens: Mapped[Int]
    milliseconds: Mapped[Int]
    failed: Mapped[str | None]
    created_at: Mapped[Now]
    tenant: Mapped[Empty]


class CitationRow(Base):
    """Which characters of which document version an answer rests on."""

    __tablename__ = "citations"
    __table_args__ = (of_tenant("answers", "answer_id"),)

    id: Mapped[Key]
    answer_id: Mapped[int]
    ordinal: Mapped[Int]
    document_id: Mapped[int]
    document_version: Mapped[Int]
    start_char: Mapped[Int]
    end_char: Mapped[Int]
    quote: Mapped[str]
    answer_start: Mapped[Int]
    answer_end: Mapped[Int]
    page: Mapped[Int | None]
    tenant: Mapped[Empty]


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


class ModelPrice(Base):
    """What a language model costs, per million tokens."""

    __tablename__ = "model_prices"

    model: Mapped[str] = mapped_column(primary_key=True)
    input_price: Mapped[Price]
    output_price: Mapped[Price]
    cache_read_price: Mapped[Price]
    cache_creation_price: Mapped[Price]
