"""ragpg for LlamaIndex: a vector store for its nodes, a retriever over ragpg's documents."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
from pydantic import PrivateAttr

from ragpg.client import Client
from ragpg.collection import Collection
from ragpg.errors import UnknownCollection
from ragpg.integrations.llamaindex_filters import of_filters, of_query
from ragpg.integrations.vectors import (
    EVERYTHING,
    NODE_ID,
    TEXT,
    Opened,
    awaited,
    given_text,
    text_of,
)
from ragpg.search import Hit, Mode
from ragpg.search.filters import Filter, to_jsonpath

_MODES: dict[VectorStoreQueryMode, Mode] = {
    VectorStoreQueryMode.DEFAULT: "vector",
    VectorStoreQueryMode.MMR: "vector",
    VectorStoreQueryMode.HYBRID: "hybrid",
    VectorStoreQueryMode.SEMANTIC_HYBRID: "hybrid",
    VectorStoreQueryMode.TEXT_SEARCH: "keyword",
    VectorStoreQueryMode.SPARSE: "keyword",
}


class RagpgVectorStore(BasePydanticVectorStore):
    """A collection of ragpg as the vector store of an index: a document for each node.

    Vectors are the index's embedding model's, of `embed_dim` dimensions. Modes are default, hybrid,
    text_search (sparse is the same) and mmr. A hybrid query needs no `alpha`: the weight of the two
    legs follows the question.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    database_url: str | None = None
    collection_name: str = "llamaindex"
    embed_dim: int = 1536
    _opened: Opened = PrivateAttr()

    def __init__(
        self,
        database_url: str | None = None,
        collection_name: str = "llamaindex",
        embed_dim: int = 1536,
        *,
        client: Client | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs |= {"collection_name": collection_name, "embed_dim": embed_dim}
        super().__init__(stores_text=True, database_url=database_url, **kwargs)  # type: ignore[call-arg]
        self._opened = Opened(lambda: database_url, embed_dim, client)

    @classmethod
    def class_name(cls) -> str:
        return "RagpgVectorStore"

    @property
    def client(self) -> Client:
        """ragpg's client."""
        return self._opened.client

    @property
    def collection(self) -> Collection:
        """ragpg's collection."""
        return self.client.collection(self.collection_name)

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Stores the nodes, each in the place of one with its id; returns their ids."""
        report = self.collection.add(records=[_record(node) for node in nodes])
        if report.failures:
            raise ValueError("; ".join(f"{one.source}: {one.reason}" for one in report.failures))
        return [node.node_id for node in nodes]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Returns the nodes that fit best; cosines, or what orders the hits of the other modes."""
        if query.mode not in _MODES:
            raise ValueError(f"ragpg has no mode {query.mode.value}: {', '.join(_MODES)}")
        if query.alpha is not None:
            warnings.warn("alpha is not used: the weight follows the question", stacklevel=2)
        wanted = query.hybrid_top_k or query.similarity_top_k
        is_mmr = query.mode is VectorStoreQueryMode.MMR
        try:
            hits = self.collection.search(
                query.query_str or "",
                kwargs.get("mmr_prefetch_k") or 4 * wanted if is_mmr else wanted,
                filter=of_query(query),
                mode=_MODES[query.mode],
                query_embedding=query.query_embedding,
            )
        except UnknownCollection:  # nothing was added yet
            hits = []
        scores = [hit.score if hit.similarity is None else hit.similarity for hit in hits]
        if _MODES[query.mode] == "hybrid":
            scores = [hit.score for hit in hits]
        if is_mmr and hits:
            hits, scores = self._diverse(query, hits, wanted)
        nodes = [_node(hit.source, hit.metadata, hit.content) for hit in hits]
        ids = [node.node_id for node in nodes]
        return VectorStoreQueryResult(nodes=nodes, similarities=scores, ids=ids)

    def _diverse(
        self, query: VectorStoreQuery, hits: list[Hit], wanted: int
    ) -> tuple[list[Hit], list[float]]:
        scores, places = get_top_k_mmr_embeddings(
            query.query_embedding or [],
            self.collection.embeddings(hits).tolist(),
            similarity_top_k=wanted,
            embedding_ids=list(range(len(hits))),
            mmr_threshold=query.mmr_threshold,
        )
        return [hits[place] for place in places], scores

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Returns the nodes of these ids that pass the filters."""
        try:
            found = self.collection.documents(
                filter=of_filters(filters), sources=node_ids, texts=True
            )
        except UnknownCollection:
            return []
        return [_node(one.source, one.metadata, one.text) for one in found]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document."""
        self._delete(None, to_jsonpath({"ref_doc_id": ref_doc_id}))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Deletes the nodes of these ids that pass the filters."""
        if node_ids is not None or filters is not None:
            self._delete(node_ids, of_filters(filters))

    def clear(self) -> None:
        """Deletes all nodes."""
        self._delete(None, EVERYTHING)

    def _delete(self, sources: list[str] | None, filter: str | None) -> None:
        try:
            self.collection.delete_many(sources=sources, filter=filter)
        except UnknownCollection:
            return

    async_add = awaited(add)
    aquery = awaited(query)
    aget_nodes = awaited(get_nodes)
    adelete = awaited(delete)
    adelete_nodes = awaited(delete_nodes)
    aclear = awaited(clear)


def _record(node: BaseNode) -> dict[str, Any]:
    record = given_text(node.get_content(metadata_mode=MetadataMode.NONE))
    record["metadata"] |= {**node_to_metadata_dict(node, remove_text=True), NODE_ID: node.node_id}
    return {**record, "source": node.node_id, "embedding": node.get_embedding()}


def _node(source: str, metadata: dict[str, Any], content: str | None) -> BaseNode:
    """Returns the node that was stored; of what was no node, such as a row of SQL, one of text."""
    text = text_of(metadata, content)
    if "_node_content" in metadata:
        return metadata_dict_to_node(metadata, text)
    known = {key: value for key, value in metadata.items() if key not in (NODE_ID, TEXT)}
    return TextNode(id_=source, text=text, metadata=known)


# The retriever -----------------------------------------------------------------------------------


class RagpgRetriever(BaseRetriever):
    """Hits of a collection of ragpg's own documents, as nodes with the place of each in metadata.

    The question is embedded by the collection's model. A node's text is exactly the characters
    `start_char` to `end_char` of version `document_version` of the document `source`.
    """

    def __init__(
        self,
        collection: Collection,
        similarity_top_k: int = 10,
        *,
        mode: Mode = "hybrid",
        filter: Filter | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._collection = collection
        self._how = {"k": similarity_top_k, "mode": mode, "filter": filter, **options}
        self._opened = Opened(lambda: None, 0, Client(collection.session))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self._collection.search(query_bundle.query_str, **self._how)
        return [NodeWithScore(node=_node_of(hit), score=hit.score) for hit in hits]

    _aretrieve = awaited(_retrieve)


def _node_of(hit: Hit) -> TextNode:
    place = {
        name: getattr(hit, name)
        for name in ("source", "title", "start_char", "end_char", "page", "document_version")
    }
    hidden = [*place, "similarity", "bm25"]
    found = {**hit.metadata, **place, "similarity": hit.similarity, "bm25": hit.bm25}
    return TextNode(
        id_=f"{hit.source}#{hit.start_char}-{hit.end_char}",
        text=hit.content,
        metadata=found,
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=[one for one in hidden if one not in ("source", "title")],
        start_char_idx=hit.start_char,
        end_char_idx=hit.end_char,
    )
