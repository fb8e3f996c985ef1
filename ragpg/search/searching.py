"""Arguments to one SQL call, its rows to hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pgvector import HalfVector
from psycopg.rows import class_row

from ragpg import queries
from ragpg.database.connection import Database
from ragpg.errors import BadArgument, ModelMismatch, SearchIndexError
from ragpg.models.embedding import PROBE_TEXT, Embedder

Mode = Literal["hybrid", "vector", "keyword"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of `ragpg.search`.

    `content` is exactly the characters `[start_char, end_char)` (Unicode code points) of version
    `document_version` of the document `source`. `score` is what ordered the hits; `similarity` is
    the cosine to the question, `bm25` the score of its words (None where that leg did not run).
    """

    place: int
    chunk_id: int
    document_id: int
    document_version: int
    source: str
    title: str
    content: str
    context: str
    score: float
    similarity: float | None
    bm25: float | None
    start_char: int
    end_char: int
    page: int | None
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExplainedHit(Hit):
    """A hit with its place by meaning alone and by words alone, and the query's words it holds.

    A place is None where it is not among the candidates of that leg, `words` where there are none.
    """

    vector_place: int | None
    keyword_place: int | None
    words: list[str] | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The row of `ragpg.judge_hits`: whether hits are enough to answer from, and why.

    `relevance` is from 0 to 1, None until `ragpg eval calibrate`; `similarity` that of the best.
    """

    is_enough: bool
    relevance: float | None
    similarity: float | None
    words_held: float | None
    missing_names: list[str] | None
    unmatched_negation: bool | None


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """A recipe of a collection."""

    id: int
    collection: str
    chunk_tokens: int
    overlap_tokens: int
    language: str
    context_model: str | None  # writes a sentence of context per chunk
    context_tokens: int  # of a chunk, kept free for it
    provider: str
    name: str
    dimensions: int
    probe: HalfVector
    in_database: bool  # the database embeds questions itself
    same_model_ids: list[int]  # search indexes of the collection with the same model, this one too


def active_index(database: Database, collection: str) -> SearchIndex | None:
    """Returns the collection's active search index, None while nothing is indexed."""
    return _search_index(database, {"collection": collection, "index_id": None})


def search_index(database: Database, index_id: int) -> SearchIndex:
    """Returns the search index of that id; raises SearchIndexError when there is none."""
    found = _search_index(database, {"collection": None, "index_id": index_id})
    if found is None:
        raise SearchIndexError(f"there is no search index {index_id}: ragpg index list")
    return found


def _search_index(database: Database, parameters: dict[str, Any]) -> SearchIndex | None:
    with (
        database.connection() as connection,
        connection.cursor(row_factory=class_row(SearchIndex)) as cursor,
    ):
        return cursor.execute(queries.SEARCH_INDEX, parameters).fetchone()


def check_model(index: SearchIndex, embedder: Embedder) -> None:
    """Raises ModelMismatch unless the embedder is the model the index was built with.

    Names are compared, and then what the model makes of the probe text: another model behind the
    same name would not fail, it would return noise.
    """
    if (index.provider, index.name) != (embedder.provider, embedder.name):
        raise ModelMismatch(
            f'the collection was embedded with "{index.name}", the query would be with '
            f'"{embedder.name}": set RAGPG_EMBEDDING_MODEL={index.name}'
        )
    probe = embedder.embed_documents([PROBE_TEXT])[0]  # as it was registered
    stored = index.probe.to_numpy().astype("float32")
    cosine = float(probe @ stored) if len(probe) == len(stored) else 0.0
    if cosine < 0.99:
        raise ModelMismatch(
            f'the model "{embedder.name}" gives another embedding here than when the collection '
            f"was built (cosine {cosine:.4f} of the probe text)"
        )


def search(
    database: Database,
    collection: str | None,
    phrasings: Sequence[str],
    *,
    k: int,
    filter: str | None,
    mode: Mode,
    query_embeddings: Sequence[Any] | None,
    index_id: int | None = None,
    distinct: bool = False,
) -> list[Hit]:
    """Returns the hits of `ragpg.search`, `search_distinct` or `search_any`, best first."""
    vectors = [None if one is None else HalfVector(one) for one in query_embeddings or ()]
    parameters: dict[str, Any] = {
        "k": k,
        "collection": collection,
        "filter": filter,
        "mode": mode,
        "index_id": index_id,
    }
    if len(phrasings) == 1:
        parameters |= {
            "query": clean_query(phrasings[0]),
            "query_embedding": vectors[0] if vectors else None,
        }
        statement = queries.SEARCH_DISTINCT if distinct else queries.SEARCH
    elif distinct:
        raise BadArgument("distinct takes one query, not several phrasings")
    else:
        parameters |= {
            "queries": [clean_query(one) for one in phrasings],
            "query_embeddings": vectors if any(one is not None for one in vectors) else None,
        }
        statement = queries.SEARCH_ANY
    with (
        database.reading() as connection,
        connection.cursor(binary=True, row_factory=class_row(Hit)) as cursor,
    ):
        return cursor.execute(statement, parameters).fetchall()


def judge(database: Database, query: str, hits: Sequence[Hit]) -> Judgement:
    """Returns whether the hits of a search, best first, are enough to answer from."""
    parameters = {
        "query": clean_query(query),
        "chunk_ids": [hit.chunk_id for hit in hits],
        "similarities": [hit.similarity for hit in hits],
    }
    with (
        database.reading() as connection,
        connection.cursor(row_factory=class_row(Judgement)) as cursor,
    ):
        found = cursor.execute(queries.JUDGE_HITS, parameters).fetchone()
    assert found is not None
    return found


def explain_search(
    database: Database,
    collection: str | None,
    query: str,
    *,
    k: int,
    filter: str | None,
    mode: Mode,
    query_embedding: Any,
) -> list[ExplainedHit]:
    """Returns the rows of `ragpg.explain_search`, best first."""
    parameters = {
        "query": clean_query(query),
        "k": k,
        "collection": collection,
        "filter": filter,
        "query_embedding": None if query_embedding is None else HalfVector(query_embedding),
        "mode": mode,
    }
    with (
        database.reading() as connection,
        connection.cursor(row_factory=class_row(ExplainedHit)) as cursor,
    ):
        return cursor.execute(queries.EXPLAIN_SEARCH, parameters).fetchall()


def widen(database: Database, hits: Sequence[Hit], neighbours: int) -> list[Hit]:
    """Returns the hits with the text of so many chunks before and after each."""
    parameters = {"chunk_ids": [hit.chunk_id for hit in hits], "neighbours": neighbours}
    with database.connection() as connection:
        rows = connection.execute(queries.SURROUNDINGS, parameters).fetchall()
    spans = {chunk_id: span for chunk_id, *span in rows}
    return [
        replace(hit, start_char=start, end_char=end, content=content)
        for hit in hits
        for start, end, content in [
            spans.get(hit.chunk_id, (hit.start_char, hit.end_char, hit.content))
        ]
    ]


def highlight(
    database: Database, hits: Sequence[Hit], query: str, marks: tuple[str, str]
) -> list[str]:
    """Returns each hit's content with the words of the query between the marks."""
    parameters = {
        "query": clean_query(query),
        "contents": [hit.content for hit in hits],
        "chunk_ids": [hit.chunk_id for hit in hits],
        "start_mark": marks[0],
        "end_mark": marks[1],
    }
    with database.connection() as connection:
        rows = connection.execute(queries.HIGHLIGHT, parameters).fetchall()
    return [text for (text,) in rows]


def clean_query(query: str) -> str:
    """Returns the query as Postgres can take it: no NUL, no lone surrogates."""
    return query.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
