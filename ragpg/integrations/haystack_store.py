"""A collection of ragpg as Haystack's document store."""

from __future__ import annotations

from typing import Any

from haystack import Document, default_from_dict, default_to_dict
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret, deserialize_secrets_inplace

from ragpg.client import Client
from ragpg.collection import Collection
from ragpg.errors import UnknownCollection
from ragpg.integrations import queries
from ragpg.integrations.haystack_filters import of_filters
from ragpg.integrations.haystack_metadata import Metadata
from ragpg.integrations.haystack_records import ID, OTHER, WITHOUT, haystack_record
from ragpg.integrations.vectors import EVERYTHING, TEXT, Opened, awaited, text_of
from ragpg.search import Mode

_OWN = (ID, TEXT, OTHER, WITHOUT)
Filters = dict[str, Any] | None


class RagpgDocumentStore(Metadata):
    """A collection of ragpg as a document store: a document of ragpg for each of Haystack's.

    Without a connection string it is the database that ragpg itself finds. Embeddings are those of
    the pipeline's embedder, of `embedding_dimension` dimensions, kept in half precision.
    """

    def __init__(
        self,
        *,
        connection_string: Secret = Secret.from_env_var("DATABASE_URL", strict=False),  # noqa: B008
        collection_name: str = "haystack",
        embedding_dimension: int = 768,
    ) -> None:
        self.connection_string = connection_string
        self.collection_name = collection_name
        self.embedding_dimension = embedding_dimension
        self._opened = Opened(connection_string.resolve_value, embedding_dimension, None)

    def to_dict(self) -> dict[str, Any]:
        """Returns what the store is made from, for a pipeline's file."""
        return default_to_dict(
            self,
            connection_string=self.connection_string.to_dict(),
            collection_name=self.collection_name,
            embedding_dimension=self.embedding_dimension,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RagpgDocumentStore:
        """Returns the store that `to_dict` told of."""
        deserialize_secrets_inplace(data["init_parameters"], ["connection_string"])
        made: RagpgDocumentStore = default_from_dict(cls, data)
        return made

    @property
    def client(self) -> Client:
        """ragpg's client."""
        return self._opened.client

    @property
    def collection(self) -> Collection:
        """ragpg's collection."""
        return self.client.collection(self.collection_name)

    @staticmethod
    def own(metadata: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in metadata.items() if key not in _OWN}

    def count_documents(self) -> int:
        """Returns how many documents there are."""
        held = {one["collection"]: one["documents"] for one in self.client.collections()}
        return int(held.get(self.collection_name, 0))

    def filter_documents(self, filters: Filters = None) -> list[Document]:
        """Returns the documents that pass, by id, with their embeddings."""
        try:
            found = self.collection.documents(filter=of_filters(filters), texts=True)
        except UnknownCollection:  # nothing was written yet
            return []
        rows = self.client.database.rows(
            queries.EMBEDDINGS,
            collection=self.collection_name,
            document_ids=[one.document_id for one in found],
        )
        embeddings = {row["source"]: row["embedding"].to_list() for row in rows}
        return [
            _document(one.source, one.text, one.metadata, embedding=embeddings.get(one.source))
            for one in found
        ]

    def write_documents(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Stores the documents; returns how many were. NONE is FAIL: none may be there already."""
        if not isinstance(documents, list) or not all(isinstance(d, Document) for d in documents):
            raise ValueError("documents are a list of Document")
        known = set() if policy is DuplicatePolicy.OVERWRITE else self._known(documents)
        if known and policy is not DuplicatePolicy.SKIP:
            raise DuplicateDocumentError(f"documents are there already: {', '.join(sorted(known))}")
        new = list({one.id: one for one in documents if one.id not in known}.values())
        report = self.collection.add(records=[self._record(one) for one in new])
        if report.failures:
            told = [f"{one.source}: {one.reason}" for one in report.failures]
            raise DocumentStoreError("; ".join(told))
        return len(new)

    def _known(self, documents: list[Document]) -> set[str]:
        try:
            held = self.collection.documents(sources=[one.id for one in documents])
        except UnknownCollection:
            return set()
        return {one.source for one in held}

    def _record(self, document: Document) -> dict[str, Any]:
        blob, sparse = document.blob, document.sparse_embedding
        return haystack_record(
            document.id,
            document.content,
            document.meta,
            document.embedding,
            self.embedding_dimension,
            blob=None if blob is None else blob.to_dict(),
            sparse_embedding=None if sparse is None else sparse.to_dict(),
        )

    def delete_documents(self, document_ids: list[str]) -> None:
        """Deletes the documents of these ids."""
        self._delete(None, document_ids)

    def delete_all_documents(self, recreate_collection: bool = False) -> None:
        """Deletes all documents; the collection stays, with its settings, or is made anew."""
        if recreate_collection and self.count_documents():
            self.client.drop_collection(self.collection_name)
        self._delete(EVERYTHING, None)

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Deletes the documents that pass; returns how many went."""
        return self._delete(of_filters(filters) or EVERYTHING, None)

    def _delete(self, filter: str | None, sources: list[str] | None) -> int:
        try:
            return len(self.collection.delete_many(filter=filter, sources=sources))
        except UnknownCollection:
            return 0

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Sets these keys of meta where documents pass; returns of how many."""
        chosen = of_filters(filters) or EVERYTHING
        try:
            return len(self.collection.update_metadata(meta, filter=chosen))
        except UnknownCollection:
            return 0

    def retrieve(
        self,
        mode: Mode,
        query: str,
        query_embedding: list[float] | None,
        filters: Filters,
        top_k: int,
    ) -> list[Document]:
        """Returns the best documents with their scores, best first."""
        if top_k < 1:
            return []
        given: Any = {"mode": mode, "query_embedding": query_embedding}
        chosen = of_filters(filters)
        try:
            hits = self.collection.search(query, top_k, filter=chosen, **given)
            # A filter that lets all but these through costs more than the search: only when needed.
            if mode == "vector" and any(WITHOUT in hit.metadata for hit in hits):
                embedded = f'!(exists ($."{WITHOUT}"))'
                chosen = f"({chosen}) && {embedded}" if chosen else embedded
                hits = self.collection.search(query, top_k, filter=chosen, **given)
        except UnknownCollection:
            return []
        return [
            _document(
                hit.source,
                hit.content,
                hit.metadata,
                score=hit.similarity if mode == "vector" else hit.score,
            )
            for hit in hits
        ]

    count_documents_async = awaited(count_documents)
    filter_documents_async = awaited(filter_documents)
    write_documents_async = awaited(write_documents)
    delete_documents_async = awaited(delete_documents)
    delete_all_documents_async = awaited(delete_all_documents)
    delete_by_filter_async = awaited(delete_by_filter)
    update_by_filter_async = awaited(update_by_filter)
    retrieve_async = awaited(retrieve)


def _document(id: str, text: str | None, metadata: dict[str, Any], **more: Any) -> Document:
    other = metadata.get(OTHER, {})
    if metadata.get(WITHOUT):
        more["embedding"] = None
    return Document(
        id=id,
        content=text_of(metadata, text) if other.get("has_content", True) else None,
        meta=RagpgDocumentStore.own(metadata),
        blob=ByteStream.from_dict(other["blob"]) if "blob" in other else None,
        sparse_embedding=SparseEmbedding.from_dict(other["sparse_embedding"])
        if "sparse_embedding" in other
        else None,
        **more,
    )
