"""LangChain: a vector store, and a hybrid retriever that tells where each passage stands.

    from ragpg.integrations.langchain import RagpgVectorStore

    store = RagpgVectorStore(OpenAIEmbeddings(), collection_name="my_docs", connection=url)
    store.add_documents(documents)
    store.as_retriever(search_kwargs={"k": 5, "filter": {"tier": "pro"}})

Asynchronous calls run the same in threads, as a client is thread-safe.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Self

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from pydantic import InstanceOf

import ragpg
from ragpg import Client, Collection, Hit
from ragpg.errors import BadArgument, UnknownCollection
from ragpg.integrations.langchain_filters import of_filter
from ragpg.integrations.vectors import title_of


class RagpgVectorStore(VectorStore):
    """A collection as LangChain's vector store: a Document is a document, its id the source.

    With `embeddings` each text is one chunk, embedded by them; without, the client's model embeds,
    and long texts are cut along their structure: then a Document that is found is a chunk, with
    the id of the text it is of. Scores are cosine distances, as those of PGVector.
    """

    def __init__(
        self,
        embeddings: Embeddings | None = None,
        *,
        collection_name: str = "langchain",
        connection: str | Client | None = None,
        mode: str = "vector",
    ) -> None:
        """`connection` is a URL (SQLAlchemy's, too), or a client, which its owner closes.

        Without one the environment's database is used. A client's model must be the embeddings:
        `ragpg.connect(embedder=embeddings)`. `mode` is how `similarity_search` searches: `hybrid`
        asks words, too.
        """
        self._embeddings = embeddings
        self._own = not isinstance(connection, Client)
        if isinstance(connection, Client):
            self.client = connection
        else:
            function = None if embeddings is None else embeddings.embed_documents
            self.client = ragpg.connect(connection, embedder=function)
        self.collection = self.client.collection(collection_name)
        self._mode = mode

    @property
    def embeddings(self) -> Embeddings | None:
        return self._embeddings

    def close(self) -> None:
        """Closes the connections, unless they are those of a client that was given."""
        if self._own:
            self.client.close()

    # Written --------------------------------------------------------------------------------

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Stores the texts, replacing those of the same ids, and returns their ids, as text.

        Raises BadArgument, with each reason, where some cannot be stored; the others are.
        """
        texts = list(texts)
        given: Sequence[str | None] = ids or [None] * len(texts)
        stored = [str(uuid.uuid4() if one in (None, "") else one) for one in given]
        told = metadatas or [{}] * len(texts)
        plain: dict[str, Any] = {"media_type": "text/plain"}
        records = [
            {**plain, "text": text, "source": source, "title": title_of(one), "metadata": one}
            for text, source, one in zip(texts, stored, told, strict=True)
        ]
        if self._embeddings is not None:
            vectors = self._embeddings.embed_documents(texts) if texts else []
            for record, vector in zip(records, vectors, strict=True):
                record["embedding"] = vector
        report = self.collection.add(records=records)
        if report.failures:
            raise BadArgument("; ".join(f"{one.source}: {one.reason}" for one in report.failures))
        return stored

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Deletes the documents of these ids, all of them without any; returns True."""
        with suppress(UnknownCollection):
            self.collection.delete_many(sources=ids, filter="exists ($)" if ids is None else None)
        return True

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Returns a store with these texts; `kwargs` are those of the class."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # Read -----------------------------------------------------------------------------------

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Returns the documents of these ids that are there, in their order."""
        try:
            found = self.collection.documents(sources=list(ids), texts=True)
        except UnknownCollection:
            return []
        known = {one.source: one for one in found}
        return [
            Document(id=one, page_content=known[one].text or "", metadata=known[one].metadata)
            for one in dict.fromkeys(ids)
            if one in known
        ]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Returns the k nearest documents; `filter` and `mode` may be given."""
        return [_document(hit) for hit in self._hits(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Returns the k nearest documents, each with its cosine distance to the query."""
        return [
            (_document(hit), 1.0 - (hit.similarity or 0.0))
            for hit in self._hits(query, k, **kwargs)
        ]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Returns the k documents nearest to an embedding."""
        return [_document(hit) for hit in self._near(embedding, k, **kwargs)]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Returns k of the `fetch_k` nearest documents, near the query and unlike each other."""
        try:
            vector = self._embedded(query)
        except UnknownCollection:
            return []
        return self.max_marginal_relevance_search_by_vector(
            vector, k, fetch_k, lambda_mult, **kwargs
        )

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Returns k of the `fetch_k` documents nearest to an embedding, unlike each other."""
        hits = self._near(embedding, fetch_k, **kwargs)
        vectors = list(self.collection.embeddings(hits)) if hits else []
        chosen = maximal_marginal_relevance(np.asarray(embedding), vectors, lambda_mult, k)
        return [_document(hits[place]) for place in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda distance: min(max(1.0 - distance, 0.0), 1.0)

    def _near(self, vector: Any, k: int, **kwargs: Any) -> list[Hit]:
        return self._hits("", k, **{**kwargs, "query_embedding": vector, "mode": "vector"})

    def _hits(self, query: str, k: int, **kwargs: Any) -> list[Hit]:
        given = {"mode": self._mode, **kwargs}
        try:
            if query.strip() and given["mode"] != "keyword" and "query_embedding" not in given:
                given["query_embedding"] = self._embedded(query)
        except UnknownCollection:
            return []
        return hits_of(self.collection, query, k, **given)

    def _embedded(self, query: str) -> Any:
        """Returns the query's embedding, of the embeddings where the collection has no model.

        That is so of vectors that were imported as they are.
        """
        vector = self.client.session.embed_query(self.collection.name, query)
        if vector is None and self._embeddings is not None:
            return self._embeddings.embed_query(query)
        return vector


class RagpgRetriever(BaseRetriever):
    """Hybrid search as LangChain's retriever.

    `metadata["ragpg"]` of each document says where its text stands: the source, its version, the
    characters, the page, the score. `search_kwargs` are further arguments of `Collection.search`.
    """

    collection: InstanceOf[Collection]
    k: int = 4
    filter: str | dict[str, Any] | None = None
    mode: str = "hybrid"
    search_kwargs: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        own = {"k": self.k, "filter": self.filter, "mode": self.mode}
        hits = hits_of(self.collection, query, **{**own, **self.search_kwargs, **kwargs})
        return [_document(hit, place=True) for hit in hits]


def hits_of(collection: Collection, query: str, k: int, **kwargs: Any) -> list[Hit]:
    """Returns the hits of a collection; none while it is not made."""
    try:
        return collection.search(query, k, **{**kwargs, "filter": of_filter(kwargs.get("filter"))})
    except UnknownCollection:
        return []


def _document(hit: Hit, *, place: bool = False) -> Document:
    names = ("source", "title", "document_version", "start_char", "end_char", "page", "score")
    where = {"ragpg": {name: getattr(hit, name) for name in names}} if place else {}
    return Document(id=hit.source, page_content=hit.content, metadata={**hit.metadata, **where})
