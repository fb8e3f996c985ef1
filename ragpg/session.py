"""What every verb needs: a database, its embedding models, the client of the language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ragpg.database import Database, queries
from ragpg.errors import BadArgument, SearchIndexError
from ragpg.forking import Lock
from ragpg.models import Embedder, EmbedFunction, as_embedder, check_same_model, make_client
from ragpg.models.embedding import embed_query
from ragpg.settings import Settings


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
    probe: Any  # HalfVector
    in_database: bool  # the database embeds questions itself
    same_model_ids: list[int]  # search indexes of the collection with the same model, this one too


class Session:
    """A database with its models: thread-safe. Nothing is loaded before its first use."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        embedder: Embedder | EmbedFunction | None = None,
        anthropic_client: Any = None,
        embed_in_database: bool = False,
    ) -> None:
        self.database = database
        self.settings = settings
        self.embedder = as_embedder(embedder or settings.embedding_model)
        self._anthropic_client = anthropic_client
        self._embed_in_database = embed_in_database
        self._embedders: dict[int, Embedder] = {}
        self._lock = Lock()

    def active_index(self, collection: str) -> SearchIndex | None:
        """Returns the collection's active search index, None while nothing is indexed."""
        return self._index(collection, None)

    def require_index(self, collection: str) -> SearchIndex:
        """Returns the active search index; raises BadArgument while nothing is indexed."""
        index = self.active_index(collection)
        if index is None:
            raise BadArgument(f'"{collection}" has no document yet: ragpg add')
        return index

    def search_index(self, index_id: int) -> SearchIndex:
        """Returns the search index of that id; raises SearchIndexError when there is none."""
        index = self._index(None, index_id)
        if index is None:
            raise SearchIndexError(f"there is no search index {index_id}: ragpg index list")
        return index

    def _index(self, collection: str | None, index_id: int | None) -> SearchIndex | None:
        return self.database.record(
            SearchIndex, queries.SEARCH_INDEX, collection=collection, index_id=index_id
        )

    def embedder_for(self, index: SearchIndex) -> Embedder:
        """Returns the embedder of a search index: the configured one, or one of its model's name.

        Raises ModelMismatch when there is none that gives the embeddings the index was built with.
        """
        with self._lock:
            if index.id not in self._embedders:
                embedder = self._open(index)
                check_same_model(index.provider, index.name, index.probe.to_numpy(), embedder)
                self._embedders[index.id] = embedder
            return self._embedders[index.id]

    def know(self, index_id: int, embedder: Embedder) -> None:
        """Takes the embedder for a search index that was just made, or found, for its vectors."""
        with self._lock:
            self._embedders[index_id] = embedder

    def _open(self, index: SearchIndex) -> Embedder:
        known = [self.embedder, *self._embedders.values()]
        same = [one for one in known if (one.provider, one.name) == (index.provider, index.name)]
        if same:
            return same[0]
        named = as_embedder(index.name)
        return named if named.provider == index.provider else self.embedder

    def embed_query(self, collection: str, query: str, index_id: int | None = None) -> Any:
        """Returns the query's embedding; None where the database shall search without it.

        Raises ModelMismatch when the configured model is not the collection's.
        """
        index = self.search_index(index_id) if index_id else self.active_index(collection)
        if index is None or (self._embed_in_database and index.in_database):
            return None
        embedder = self.embedder_for(index)
        with self._lock:  # tokenizers and models are not all thread-safe
            return embed_query(embedder, clean_query(query))

    def anthropic_client(self) -> Any:
        """Returns the client of the language model, None without an API key."""
        with self._lock:
            if self._anthropic_client is None and self.settings.anthropic_api_key:
                self._anthropic_client = make_client(
                    api_key=self.settings.anthropic_api_key,
                    base_url=self.settings.anthropic_base_url,
                )
            return self._anthropic_client


def clean_query(query: str) -> str:
    """Returns the query as Postgres can take it: no NUL, no lone surrogates."""
    return query.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
