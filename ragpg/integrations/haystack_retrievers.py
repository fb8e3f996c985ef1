"""Haystack's retrievers over a document store of ragpg: by embedding, by words, by both."""

from typing import Any, Self

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy
from haystack.document_stores.types.filter_policy import apply_filter_policy

from ragpg.integrations.haystack_store import RagpgDocumentStore
from ragpg.search import Mode

Filters = dict[str, Any] | None
Found = dict[str, list[Document]]


class _Retriever:
    """What the retrievers share: what they are made from, and what a run may say otherwise."""

    def __init__(
        self,
        document_store: RagpgDocumentStore,
        filters: Filters = None,
        top_k: int = 10,
        filter_policy: FilterPolicy = FilterPolicy.REPLACE,
    ) -> None:
        if not isinstance(document_store, RagpgDocumentStore):
            raise TypeError(f"document_store is a RagpgDocumentStore, not {document_store!r}")
        if top_k < 1:
            raise ValueError(f"top_k is at least 1, not {top_k}")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.filter_policy = filter_policy

    def to_dict(self) -> dict[str, Any]:
        """Returns what the retriever is made from, for a pipeline's file."""
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Returns the retriever that `to_dict` told of."""
        given = data["init_parameters"]
        store = RagpgDocumentStore.from_dict(given["document_store"])
        policy = FilterPolicy.from_str(given.get("filter_policy", "replace"))
        given = {**given, "document_store": store, "filter_policy": policy}
        made: Self = default_from_dict(cls, {**data, "init_parameters": given})
        return made

    def _how(
        self, mode: Mode, query: str, vector: list[float] | None, filters: Filters, k: int | None
    ) -> tuple[Mode, str, list[float] | None, Filters, int]:
        chosen = apply_filter_policy(self.filter_policy, self.filters, filters)
        return mode, query, vector, chosen, self.top_k if k is None else k


@component
class RagpgEmbeddingRetriever(_Retriever):
    """Documents by the cosine of their embedding to the query's."""

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: Filters = None, top_k: int | None = None
    ) -> Found:
        """Returns the documents whose embeddings are nearest."""
        how = self._how("vector", "", query_embedding, filters, top_k)
        return {"documents": self.document_store.retrieve(*how)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query_embedding: list[float], filters: Filters = None, top_k: int | None = None
    ) -> Found:
        """Returns the same, awaited."""
        how = self._how("vector", "", query_embedding, filters, top_k)
        return {"documents": await self.document_store.retrieve_async(*how)}


@component
class RagpgKeywordRetriever(_Retriever):
    """Documents by the query's words (BM25)."""

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: Filters = None, top_k: int | None = None) -> Found:
        """Returns the documents in which the words weigh most."""
        how = self._how("keyword", query, None, filters, top_k)
        return {"documents": self.document_store.retrieve(*how)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: Filters = None, top_k: int | None = None
    ) -> Found:
        """Returns the same, awaited."""
        how = self._how("keyword", query, None, filters, top_k)
        return {"documents": await self.document_store.retrieve_async(*how)}


@component
class RagpgHybridRetriever(_Retriever):
    """Documents by both, fused by standard scores."""

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        query_embedding: list[float],
        filters: Filters = None,
        top_k: int | None = None,
    ) -> Found:
        """Returns the best documents."""
        how = self._how("hybrid", query, query_embedding, filters, top_k)
        return {"documents": self.document_store.retrieve(*how)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        query_embedding: list[float],
        filters: Filters = None,
        top_k: int | None = None,
    ) -> Found:
        """Returns the same, awaited."""
        how = self._how("hybrid", query, query_embedding, filters, top_k)
        return {"documents": await self.document_store.retrieve_async(*how)}
