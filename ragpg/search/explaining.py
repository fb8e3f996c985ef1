"""Why hits are hits: their places in each leg, and the words that matched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragpg.database import Database
from ragpg.models import HalfVector
from ragpg.search import explaining_queries as queries
from ragpg.search.filters import Filter, to_jsonpath
from ragpg.search.hits import Hit, Mode
from ragpg.search.searching import records_of
from ragpg.session import Session, clean_query


@dataclass(frozen=True, slots=True)
class ExplainedHit(Hit):
    """A hit with its place by meaning alone and by words alone, and the query's words it holds.

    A place is None where it is not among the candidates of that leg, `words` where there are none.
    """

    vector_place: int | None
    keyword_place: int | None
    words: list[str] | None


def explain(
    session: Session,
    collection: str,
    query: str,
    k: int = 10,
    *,
    filter: Filter | None = None,
    mode: Mode = "hybrid",
) -> list[ExplainedHit]:
    """Returns what `search` does, with each hit's place in the vector and the keyword leg."""
    vector = session.embed_query(collection, query) if query.strip() else None
    parameters = {
        "query": clean_query(query),
        "k": k,
        "collection": collection,
        "filter": to_jsonpath(filter),
        "query_embedding": None if vector is None else HalfVector(vector),
        "mode": mode,
    }
    return records_of(session.database, ExplainedHit, queries.EXPLAIN_SEARCH, parameters)


def highlight(
    database: Database, hits: Sequence[Hit], query: str, marks: tuple[str, str]
) -> list[str]:
    """Returns each hit's content with the words of the query between the marks."""
    return database.column(
        queries.HIGHLIGHT,
        query=clean_query(query),
        contents=[hit.content for hit in hits],
        chunk_ids=[hit.chunk_id for hit in hits],
        start_mark=marks[0],
        end_mark=marks[1],
    )
