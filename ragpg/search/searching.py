"""Arguments to one SQL call, its rows to hits."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

from ragpg.arguments import told
from ragpg.database import Database
from ragpg.errors import BadArgument, DatabaseError, RagpgError
from ragpg.models import HalfVector
from ragpg.reading.metadata import vector_of
from ragpg.search import queries
from ragpg.search.hits import Hit, Mode
from ragpg.session import Session, clean_query

if TYPE_CHECKING:
    from ragpg.search.filters import Filter

_CANDIDATES = 50  # hits reranked, at least; three for each hit wanted where that is more
_FILTERS = "ragpg.search.filters"
T = TypeVar("T")


@told
def search(
    session: Session,
    collection: str,
    query: str | Sequence[str],
    k: int = 10,
    *,
    filter: Filter | None = None,
    mode: Mode = "hybrid",
    query_embedding: Any = None,
    index_id: int | None = None,
    distinct: bool = False,
    rerank: str | None = None,
    neighbours: int = 0,
) -> list[Hit]:
    """Returns the k best chunks, best first: `Collection.search` says what the arguments mean."""
    phrasings = [query] if isinstance(query, str) else list(query)
    if distinct and len(phrasings) != 1:
        raise BadArgument("distinct takes one query, not several phrasings")
    vectors = [query_embedding] if isinstance(query, str) else query_embedding
    if query_embedding is None:
        vectors = [
            session.embed_query(collection, text, index_id)
            if mode != "keyword" and text.strip()
            else None
            for text in phrasings
        ]
    embeddings = [
        None if one is None else HalfVector(vector_of(one, "query_embedding")) for one in vectors
    ]
    parameters: dict[str, Any] = {
        "k": max(_CANDIDATES, 3 * k) if rerank else k,
        "collection": collection,
        "filter": None if filter is None else import_module(_FILTERS).to_jsonpath(filter),
        "mode": mode,
        "index_id": index_id,
    }
    if len(phrasings) == 1:
        statement = queries.SEARCH_DISTINCT if distinct else queries.SEARCH
        parameters |= {"query": clean_query(phrasings[0]), "query_embedding": embeddings[0]}
    else:
        statement = queries.SEARCH_ANY
        given = embeddings if any(one is not None for one in embeddings) else None
        parameters |= {"queries": list(map(clean_query, phrasings)), "query_embeddings": given}
    hits = records_of(session.database, Hit, statement, parameters, binary=True)
    if (rerank or neighbours) and hits:
        from ragpg.search.afterwards import reranked, widened

        hits = reranked(rerank, phrasings[0], hits, k) if rerank else hits
        hits = widened(session.database, hits, neighbours) if neighbours else hits
    return hits


def records_of(
    database: Database,
    kind: type[T],
    statement: LiteralString,
    parameters: dict[str, Any],
    *,
    binary: bool = False,
) -> list[T]:
    """Returns the rows of one statement that reads, as objects of a class."""
    try:
        return database.read(kind, statement, parameters, binary)
    except RagpgError as error:
        if isinstance(error, DatabaseError) and parameters.get("filter") is not None:
            import_module(_FILTERS).check_jsonpath(database, parameters["filter"])
        raise
