"""ragpg under Haystack's own tests of a document store, and in its pipelines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from haystack import Document, Pipeline, component
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DocumentStoreError, DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy, FilterPolicy
from haystack.errors import FilterError
from haystack.testing import document_store as sync_tests
from haystack.testing import document_store_async as async_tests
from haystack.testing.document_store import create_filterable_docs
from haystack.utils import Secret
from haystack.utils.filters import document_matches_filter

from ragpg.integrations.haystack import (
    RagpgDocumentStore,
    RagpgEmbeddingRetriever,
    RagpgHybridRetriever,
    RagpgKeywordRetriever,
)

from ..conftest import WordEmbedder


@pytest.fixture
def store_of(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes stores of a new database, by its dimensions."""
    monkeypatch.setenv("DATABASE_URL", url)
    made: list[RagpgDocumentStore] = []

    def store(dimensions: int) -> RagpgDocumentStore:
        made.append(RagpgDocumentStore(embedding_dimension=dimensions))
        return made[-1]

    yield store
    for one in made:
        one.client.close()


@pytest.fixture
def document_store(store_of: Any) -> RagpgDocumentStore:
    store: RagpgDocumentStore = store_of(768)
    return store


def assert_equal(received: list[Document], expected: list[Document]) -> None:
    """In the order of their ids, embeddings as exact as half precision is."""
    received, expected = (sorted(one, key=lambda held: held.id) for one in (received, expected))
    assert [one.id for one in received] == [one.id for one in expected]
    for one, other in zip(received, expected, strict=True):
        told, wanted = one.to_dict(flatten=False), other.to_dict(flatten=False)
        vector, given = told.pop("embedding"), wanted.pop("embedding")
        assert vector == (None if given is None else pytest.approx(given, rel=1e-3, abs=1e-6))
        assert told == wanted


class Equal:
    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        assert_equal(received, expected)


class TestStore(
    Equal,
    sync_tests.DocumentStoreBaseExtendedTests,
    sync_tests.CountDocumentsByFilterTest,
    sync_tests.CountUniqueMetadataByFilterTest,
    sync_tests.GetMetadataFieldsInfoTest,
    sync_tests.GetMetadataFieldMinMaxTest,
    sync_tests.GetMetadataFieldUniqueValuesTest,
):
    @pytest.fixture
    def document_store(self, store_of: Any) -> RagpgDocumentStore:
        store: RagpgDocumentStore = store_of(768)
        return store

    def test_write_documents(self, document_store: Any) -> None:
        """Without a policy none may be there already."""
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])


class TestAwaited(
    Equal,
    async_tests.CountDocumentsAsyncTest,
    async_tests.CountDocumentsByFilterAsyncTest,
    async_tests.CountUniqueMetadataByFilterAsyncTest,
    async_tests.DeleteAllAsyncTest,
    async_tests.DeleteByFilterAsyncTest,
    async_tests.DeleteDocumentsAsyncTest,
    async_tests.FilterDocumentsAsyncTest,
    async_tests.GetMetadataFieldMinMaxAsyncTest,
    async_tests.GetMetadataFieldUniqueValuesAsyncTest,
    async_tests.GetMetadataFieldsInfoAsyncTest,
    async_tests.UpdateByFilterAsyncTest,
    async_tests.WriteDocumentsAsyncTest,
):
    @pytest.fixture
    def document_store(self, store_of: Any) -> RagpgDocumentStore:
        store: RagpgDocumentStore = store_of(768)
        return store

    @pytest.mark.asyncio
    async def test_write_documents_async(self, document_store: Any) -> None:
        document = Document(content="test doc")
        assert await document_store.write_documents_async([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([document])


def test_every_framework_class_is_run() -> None:
    for module, run in ((sync_tests, TestStore), (async_tests, TestAwaited)):
        classes = {name for name in vars(module) if name.endswith("Test")}
        inherited = {base.__name__ for base in run.__mro__}
        assert len(classes) > 8
        assert classes <= inherited


# Beyond them -------------------------------------------------------------------------------------


def test_a_document_comes_back_whole(store_of: Any) -> None:
    store = store_of(3)
    given = [
        Document(
            id="blob", blob=ByteStream(b"\x00\xff", {"a": 1}, "image/png"), embedding=[1, 2, 3]
        ),
        Document(id="blank", content="", meta={"_private": 1, "deep": {"list": [1, None, "x"]}}),
        Document(
            id="ends", content="  two\r\nlines \n", meta={"whole": 1, "half": 1.0, "yes": True}
        ),
        Document(id="sparse", content="x", sparse_embedding=SparseEmbedding([0, 5], [0.5, 1.0])),
    ]
    store.write_documents(given)
    assert_equal(store.filter_documents(), given)
    assert [type(store.filter_documents()[2].meta[key]) for key in ("whole", "half", "yes")] == [
        int,
        float,
        bool,
    ]


def test_filters_mean_what_the_frameworks_do(document_store: RagpgDocumentStore) -> None:
    documents = [
        *create_filterable_docs(),
        Document(
            content="deep", meta={"person": {"name": "Ada"}, "at": "2024-02-03T10:00:00+00:00"}
        ),
        Document(id="known", content="day", meta={"at": "2024-02-03", "number": 2.0, "none": None}),
    ]
    document_store.write_documents(documents)
    conditions: list[dict[str, Any]] = [
        {"field": "meta.person.name", "operator": "==", "value": "Ada"},
        {"field": "meta.person.name", "operator": "!=", "value": "Ada"},
        {"field": "id", "operator": "==", "value": "known"},
        {"field": "id", "operator": "in", "value": ["known", "unknown"]},
        {"field": "meta.at", "operator": "==", "value": "2024-02-03T11:00:00+01:00"},
        {"field": "meta.at", "operator": ">", "value": "2024-02-03T09:00:00+00:00"},
        {"field": "meta.number", "operator": "in", "value": []},
        {"field": "meta.number", "operator": "not in", "value": []},
        {"field": "meta.number", "operator": "in", "value": [None, 2]},
        {"field": "number", "operator": "==", "value": 2},
        {"field": "meta.none", "operator": "==", "value": None},
        {"operator": "NOT", "conditions": [{"field": "meta.number", "operator": ">", "value": 0}]},
        {"operator": "AND", "conditions": [
            {"operator": "OR", "conditions": [
                {"field": "meta.page", "operator": "==", "value": "100"},
                {"field": "meta.name", "operator": "==", "value": "name_1"}]},
            {"field": "meta.number", "operator": ">=", "value": -2}]},
    ]  # fmt: skip
    for condition in conditions:
        wanted = {one.id for one in documents if document_matches_filter(condition, one)}
        assert {one.id for one in document_store.filter_documents(condition)} == wanted, condition
    for wrong in (
        {"field": "content", "operator": "==", "value": "x"},
        {"field": "meta.x", "operator": "like", "value": "x"},
        {"operator": "XOR", "conditions": []},
    ):
        with pytest.raises(FilterError):
            document_store.filter_documents(wrong)


def test_an_embedding_of_another_length_is_refused(store_of: Any) -> None:
    with pytest.raises(DocumentStoreError, match="has 2 dimensions"):
        store_of(3).write_documents([Document(content="x", embedding=[1.0, 2.0])])


# Pipelines ---------------------------------------------------------------------------------------


@component
class Words:
    """The hand-checkable embedder as a component."""

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, list[float]]:
        return {"embedding": [float(one) for one in WordEmbedder().embed_query(text)]}


TEXTS = {"refunds": "A refund is money.", "limits": "The xylophone rate limit.", "login": "Login."}


@pytest.fixture
def filled(store_of: Any) -> RagpgDocumentStore:
    store: RagpgDocumentStore = store_of(WordEmbedder.dimensions)
    store.write_documents(
        [
            Document(
                id=id,
                content=text,
                meta={"length": len(text)},
                embedding=Words().run(text)["embedding"],
            )
            for id, text in TEXTS.items()
        ]
        + [Document(id="bare", content="A xylophone without an embedding.")]
    )
    return store


def pipeline(store: RagpgDocumentStore) -> Any:
    """Returns a pipeline with the three retrievers."""
    built = Pipeline()
    built.add_component("embedder", Words())
    built.add_component("vector", RagpgEmbeddingRetriever(store, top_k=5))
    built.add_component("words", RagpgKeywordRetriever(store, top_k=2))
    built.add_component("hybrid", RagpgHybridRetriever(store, top_k=4))
    built.connect("embedder.embedding", "vector.query_embedding")
    built.connect("embedder.embedding", "hybrid.query_embedding")
    return built


def asked(question: str) -> dict[str, Any]:
    return {
        "embedder": {"text": question},
        "words": {"query": question},
        "hybrid": {"query": question},
    }


def check(found: dict[str, Any]) -> None:
    ids = {name: [one.id for one in part["documents"]] for name, part in found.items()}
    assert ids["vector"][0] == "refunds"
    assert set(ids["vector"]) == set(TEXTS)  # the one without an embedding is near nothing
    assert set(ids["words"]) == {"limits", "bare"}
    assert set(ids["hybrid"]) == {*TEXTS, "bare"}
    for part in found.values():
        scores = [one.score for one in part["documents"]]
        assert scores == sorted(scores, reverse=True)
        assert all(
            one.content in (*TEXTS.values(), "A xylophone without an embedding.")
            for one in part["documents"]
        )


def test_a_pipeline_of_all_retrievers(filled: RagpgDocumentStore) -> None:
    found = pipeline(filled).run({**asked("xylophone"), "embedder": {"text": "refund money"}})
    check(found)


def test_a_pipeline_that_is_awaited(filled: RagpgDocumentStore) -> None:
    built = pipeline(filled)
    found = asyncio.run(
        built.run_async({**asked("xylophone"), "embedder": {"text": "refund money"}})
    )
    check(found)


def test_a_pipeline_is_written_and_read_back(filled: RagpgDocumentStore, url: str) -> None:
    written = pipeline(filled).dumps()
    assert url not in written and "DATABASE_URL" in written
    read: Any = Pipeline.loads(written, allowed_modules=["ragpg.integrations.*", __name__])
    check(read.run({**asked("xylophone"), "embedder": {"text": "refund money"}}))
    assert read.dumps() == written


def test_a_retriever_is_read_back_with_its_filters(filled: RagpgDocumentStore) -> None:
    short = {"field": "meta.length", "operator": "<", "value": 10}
    for kind in (RagpgEmbeddingRetriever, RagpgKeywordRetriever, RagpgHybridRetriever):
        made = kind(filled, filters=short, top_k=3, filter_policy=FilterPolicy.MERGE)
        read = kind.from_dict(made.to_dict())
        assert (read.filters, read.top_k, read.filter_policy) == (short, 3, FilterPolicy.MERGE)
        assert read.document_store.to_dict() == filled.to_dict()
    retriever = RagpgEmbeddingRetriever(filled, filters=short)
    vector = Words().run("refund")["embedding"]
    assert [one.id for one in retriever.run(vector)["documents"]] == ["login"]
    long = {"field": "meta.length", "operator": ">", "value": 20}
    assert [one.id for one in retriever.run(vector, filters=long)["documents"]] == ["limits"]
    assert retriever.run(vector, top_k=0) == {"documents": []}


def test_before_anything_is_written(store_of: Any) -> None:
    store = store_of(WordEmbedder.dimensions)
    assert RagpgKeywordRetriever(store).run("refund") == {"documents": []}
    assert store.write_documents([], DuplicatePolicy.SKIP) == 0
    assert store.update_by_filter({"field": "meta.x", "operator": "==", "value": 1}, {"x": 2}) == 0


def test_the_embedded_server_without_a_connection_string() -> None:
    store = RagpgDocumentStore(connection_string=Secret.from_env_var("NOT_SET", strict=False))
    assert RagpgDocumentStore.from_dict(store.to_dict()).to_dict() == store.to_dict()
