"""ragpg under LlamaIndex's own pipeline, index and query engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

import ragpg
from ragpg.integrations.llamaindex import RagpgRetriever, RagpgVectorStore

from ..conftest import WordEmbedder

DIMENSIONS = WordEmbedder.dimensions


class Words(BaseEmbedding):
    """The hand-checkable embedder as LlamaIndex's."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(one) for one in WordEmbedder().embed_query(text)]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


@pytest.fixture
def store(url: str) -> Iterator[RagpgVectorStore]:
    store = RagpgVectorStore(url, "nodes", embed_dim=DIMENSIONS)
    yield store
    store.client.close()


def node(id_: str, content: str, ref: str = "", **metadata: Any) -> TextNode:
    made = TextNode(id_=id_, text=content, metadata=metadata)
    if ref:
        made.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=ref)
    made.embedding = Words().get_text_embedding(content)
    return made


def ask(store: RagpgVectorStore, text: str, k: int = 3, **options: Any) -> list[str]:
    vector = Words().get_query_embedding(text)
    query = VectorStoreQuery(vector, k, query_str=text, **options)
    return store.query(query).ids or []


def test_what_it_stored_is_searched_without_it(store: RagpgVectorStore, url: str) -> None:
    """The collection's model is one of vectors that are given, which any client can open."""
    store.add([node("a", "The refund of money."), node("b", "The rate limit.")])
    with ragpg.connect(url) as client:
        held = client.collection("nodes")
        assert held.search("refund")[0].source == "a", "by its words"
        vector = WordEmbedder().embed_query("rate limit")
        assert held.search("", k=1, query_embedding=vector, mode="vector")[0].source == "b"


def test_the_frameworks_pipeline_and_query_engine(store: RagpgVectorStore) -> None:
    documents = [
        Document(text="A refund takes five days.", id_="refunds", metadata={"tier": "pro"}),
        Document(text="The rate limit is high.", id_="limits", metadata={"tier": "free"}),
    ]
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=64, chunk_overlap=0), Words()],
        vector_store=store,
    )
    assert len(pipeline.run(documents=documents)) == 2
    index = VectorStoreIndex.from_vector_store(store, embed_model=Words())
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1)
    response = engine.query("How long does a refund take?")
    (found,) = response.source_nodes
    assert (found.node.ref_doc_id, found.node.get_content()) == ("refunds", documents[0].text)
    assert found.node.metadata == {"tier": "pro"}
    assert "A refund takes five days." in str(response)  # which MockLLM repeats
    index.delete_ref_doc("refunds")
    assert [one.ref_doc_id for one in store.get_nodes()] == ["limits"]


def test_an_index_made_of_documents_is_awaited(store: RagpgVectorStore) -> None:
    async def test() -> None:
        context = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex([], storage_context=context, embed_model=Words())
        await index.ainsert_nodes([TextNode(id_="1", text="A refund."), TextNode(text="A limit.")])
        retriever = index.as_retriever(similarity_top_k=1)
        (found,) = await retriever.aretrieve("refund")
        assert found.node.node_id == "1" and found.score == pytest.approx(1, abs=0.01)
        assert len(await store.aget_nodes()) == 2
        await store.adelete_nodes(["1"])
        await store.adelete("none")
        assert [one.get_content() for one in await store.aget_nodes()] == ["A limit."]
        await store.aclear()
        assert await store.aget_nodes() == []

    asyncio.run(test())


@pytest.mark.parametrize(
    "text",
    [
        "A refund.", "  blanks around \n", "two\r\nlines\rof all kinds\n", "# No heading\n\n* no list",
        "---\ntitle: no front matter\n---\ntext", "<b>no</b> &amp; HTML", "emoji 🚦 and accents é é",
        "\ufeffa mark in front", "a\tb\x0bc", "\u2028separators\u0085",
    ],
)  # fmt: skip
def test_a_node_comes_back_as_it_was(store: RagpgVectorStore, text: str) -> None:
    given = node("1", text, "doc", tier="pro", deep={"list": [1, "two", None]}, none=None)
    given.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id="2")
    given.excluded_llm_metadata_keys = ["tier"]
    assert store.add([given]) == ["1"]
    (held,) = store.get_nodes(["1"])
    assert held.to_dict() == {**given.to_dict(), "embedding": None}
    (found,) = store.query(VectorStoreQuery(given.embedding, 1)).nodes or []
    assert found.to_dict() == held.to_dict()


def test_nodes_of_other_kinds(store: RagpgVectorStore) -> None:
    given = [
        IndexNode(id_="1", text="A refund.", index_id="other", embedding=[1.0] * DIMENSIONS),
        ImageNode(
            id_="2",
            text="A limit.",
            image_url="http://localhost/x.png",
            embedding=[1.0] * DIMENSIONS,
        ),
    ]
    store.add(given)
    found = store.get_nodes()
    assert [type(one) for one in found] == [IndexNode, ImageNode]
    assert [one.index_id for one in found if isinstance(one, IndexNode)] == ["other"]


def test_a_node_replaces_the_one_of_its_id(store: RagpgVectorStore) -> None:
    store.add([node("1", "A refund."), node("2", "A limit.")])
    store.add([node("1", "A password.")])
    assert [one.get_content() for one in store.get_nodes()] == ["A password.", "A limit."]
    assert ask(store, "password", 1) == ["1"]


def test_a_node_of_another_length_is_refused(store: RagpgVectorStore) -> None:
    with pytest.raises(ValueError, match="has 2 dimensions"):
        store.add([TextNode(id_="1", text="A refund.", embedding=[1.0, 0.0])])
    with pytest.raises(ValueError, match="embedding not set"):
        store.add([TextNode(id_="1", text="A refund.")])


# Modes -------------------------------------------------------------------------------------------


def test_each_mode(store: RagpgVectorStore) -> None:
    store.add(
        [
            node("vector", "refund money"),
            node("words", "xylophone"),
            node("both", "refund xylophone"),
        ]
    )
    vector = Words().get_query_embedding("refund")
    query = VectorStoreQuery(vector, 2, query_str="xylophone")
    for mode, first in (
        ("default", "both"),
        ("hybrid", "both"),
        ("text_search", "words"),
        ("sparse", "words"),
    ):
        query.mode = VectorStoreQueryMode(mode)
        result = store.query(query)
        assert result.ids and result.similarities and result.nodes
        assert result.similarities == sorted(result.similarities, reverse=True)
        assert first in result.ids
        assert len(result.nodes) == 2
    query.mode = VectorStoreQueryMode.SVM
    with pytest.raises(ValueError, match="no mode svm"):
        store.query(query)
    query.mode, query.alpha = VectorStoreQueryMode.HYBRID, 0.3
    with pytest.warns(UserWarning, match="alpha is not used"):
        store.query(query)


def test_mmr_prefers_what_differs(store: RagpgVectorStore) -> None:
    store.add([node(f"{n}", "refund refund") for n in range(3)] + [node("other", "refund login")])
    assert "other" not in ask(store, "refund", 2)
    assert "other" in ask(store, "refund", 2, mode=VectorStoreQueryMode.MMR, mmr_threshold=0.3)


# Filters -----------------------------------------------------------------------------------------

HELD: dict[str, dict[str, Any]] = {
    "one": {"text": "Hello World", "number": 1, "tags": ["a", "b"], "half": 0.5, "a.b": "dot"},
    "two": {"text": "hello (world)", "number": 2, "tags": ["b"], "empty": "", "list": []},
    "three": {"text": 'quote " \\ %', "number": -3, "tags": [], "none": None},
    "none": {},
}
FILTERS: list[tuple[str, FilterOperator, Any]] = [
    ("number", FilterOperator.EQ, 1), ("text", FilterOperator.EQ, "Hello World"),
    ("half", FilterOperator.EQ, 0.5), ("a.b", FilterOperator.EQ, "dot"),
    ("number", FilterOperator.NE, 1), ("missing", FilterOperator.NE, "x"),
    ("number", FilterOperator.GT, 1), ("number", FilterOperator.GTE, 1),
    ("number", FilterOperator.LT, 1), ("number", FilterOperator.LTE, 1),
    ("number", FilterOperator.IN, [1, -3, 9]), ("text", FilterOperator.IN, ["Hello World"]),
    ("number", FilterOperator.NIN, [1, -3]), ("text", FilterOperator.NIN, ["x"]),
    ("tags", FilterOperator.ANY, ["a", "z"]), ("tags", FilterOperator.ALL, ["a", "b"]),
    ("tags", FilterOperator.CONTAINS, "b"), ("text", FilterOperator.TEXT_MATCH, "World"),
    ("text", FilterOperator.TEXT_MATCH, "(world)"), ("text", FilterOperator.TEXT_MATCH, '" \\ %'),
    ("text", FilterOperator.TEXT_MATCH, "."),
    ("text", FilterOperator.TEXT_MATCH_INSENSITIVE, "WORLD"),
    ("missing", FilterOperator.IS_EMPTY, None), ("tags", FilterOperator.IS_EMPTY, None),
    ("empty", FilterOperator.IS_EMPTY, None), ("list", FilterOperator.IS_EMPTY, None),
    ("none", FilterOperator.IS_EMPTY, None), ("number", FilterOperator.IS_EMPTY, None),
]  # fmt: skip


@pytest.fixture
def held(store: RagpgVectorStore) -> RagpgVectorStore:
    store.add([node(id, "refund", f"doc {id}", **metadata) for id, metadata in HELD.items()])
    return store


def expected(filters: MetadataFilters) -> set[str]:
    passes = build_metadata_filter_fn(HELD.__getitem__, filters)
    return set(filter(passes, HELD))


def passing(store: RagpgVectorStore, filters: MetadataFilters) -> set[str]:
    found = set(ask(store, "refund", 10, filters=filters))
    assert found == {one.node_id for one in store.get_nodes(filters=filters)}
    return found


def test_every_operator_is_the_frameworks(held: RagpgVectorStore) -> None:
    """As its own store in memory has it."""
    assert {operator for _, operator, _ in FILTERS} == set(FilterOperator)
    for key, operator, value in FILTERS:
        one = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
        assert passing(held, one) == expected(one), one


def test_conditions_and_filters_within_filters(held: RagpgVectorStore) -> None:
    two: list[MetadataFilter | MetadataFilters] = [
        MetadataFilter(key="number", value=1),
        MetadataFilter(key="tags", operator=FilterOperator.CONTAINS, value="b"),
    ]
    for condition in FilterCondition:
        filters = MetadataFilters(filters=two, condition=condition)
        assert passing(held, filters) == expected(filters), condition
    nested = MetadataFilters(
        filters=[
            MetadataFilters(filters=two, condition=FilterCondition.NOT),
            MetadataFilter(key="text", operator=FilterOperator.TEXT_MATCH, value="quote"),
        ]
    )
    assert passing(held, nested) == {"three"}
    assert passing(held, MetadataFilters(filters=[])) == set(HELD)


def test_by_nodes_and_documents(held: RagpgVectorStore) -> None:
    assert ask(held, "refund", 10, node_ids=["one"]) == ["one"]
    assert ask(held, "refund", 10, doc_ids=["doc two"]) == ["two"]
    assert ask(held, "refund", 10, doc_ids=["doc two"], node_ids=["one"]) == []
    assert len(ask(held, "refund", 10, node_ids=[])) == 4  # what an index gives for all
    number = MetadataFilters(filters=[MetadataFilter(key="number", value=1)])
    held.delete_nodes(["one", "two"], number)
    assert {one.node_id for one in held.get_nodes()} == {"two", "three", "none"}
    held.delete_nodes()
    held.delete("doc two")
    assert {one.node_id for one in held.get_nodes()} == {"three", "none"}
    held.clear()
    assert ask(held, "refund") == []


def test_before_anything_is_added(store: RagpgVectorStore) -> None:
    assert ask(store, "refund") == [] == store.get_nodes()
    store.delete("none")
    store.delete_nodes(["none"])
    store.clear()


# The retriever -----------------------------------------------------------------------------------


def test_hits_of_ragpgs_own_documents(client: ragpg.Client) -> None:
    pages = client.collection("pages")
    text = "# Refunds\n\nA refund takes five days. " + "Money comes back. " * 30
    pages.add(text=text, source="refunds.md", metadata={"tier": "pro"})
    pages.add(text="The rate limit is high.", source="limits.md", metadata={"tier": "free"})
    retriever = RagpgRetriever(pages, similarity_top_k=2, filter={"tier": "pro"})
    found = retriever.retrieve("refund")
    assert len(found) == 2
    for one in found:
        told = one.node.metadata
        assert told["source"] == "refunds.md" and told["tier"] == "pro"
        assert text[told["start_char"] : told["end_char"]] == one.node.get_content()
    assert asyncio.run(retriever.aretrieve("refund")) == found
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    assert "A refund takes five days." in str(engine.query("How long does a refund take?"))
