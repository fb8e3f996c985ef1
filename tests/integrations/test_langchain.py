"""LangChain: its own suites for vector stores and retrievers, and what they do not ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

import ragpg
from ragpg import errors
from ragpg.integrations.langchain import RagpgRetriever, RagpgVectorStore

from ..conftest import WordEmbedder


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, url: str) -> Iterator[VectorStore]:
        store = RagpgVectorStore(self.get_embeddings(), connection=url)
        yield store
        store.close()


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _filled(self, client: ragpg.Client) -> None:
        self.pages = client.collection("pages")
        texts = ["A refund takes five days.", "The rate limit is ten.", "Money back.", "Login."]
        self.pages.add(records=[{"text": text, "source": text[:6]} for text in texts])

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return RagpgRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"collection": self.pages}

    @property
    def retriever_query_example(self) -> str:
        return "how long does a refund take?"


class Words(Embeddings):
    """The tests' words as LangChain's embeddings; a question's differ from a document's."""

    model = "words"

    def __init__(self) -> None:
        self.own, self.queries = WordEmbedder(), 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        found: list[list[float]] = self.own.embed_documents(texts).tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        self.queries += 1
        found: list[float] = self.own.embed_query(text).tolist()
        return found


ROWS = [
    ("A refund is money.", {"tier": "pro", "year": 2024}),
    ("A refund is a refund.", {"tier": "free", "year": 2025}),
    ("The rate limit.", {"tier": "pro", "year": 2026}),
    ("A login needs a password.", {"tier": "free", "year": 2026, "page": 3}),
]


@pytest.fixture
def store(url: str) -> Iterator[RagpgVectorStore]:
    texts, metadatas = [text for text, _ in ROWS], [metadata for _, metadata in ROWS]
    with_url = url.replace("postgresql://", "postgresql+psycopg://")
    made = RagpgVectorStore.from_texts(
        texts, Words(), metadatas, ids=list("abcd"), connection=with_url, collection_name="rows"
    )
    yield made
    made.close()


def ids(found: list[Document]) -> list[str | None]:
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("filter", "left"),
    [
        ({"tier": "pro"}, "ac"),
        ({"tier": {"$eq": "pro"}, "year": {"$gt": 2024}}, "c"),
        ({"year": {"$between": [2024, 2025]}}, "ab"),
        ({"year": {"$in": [2024, 2026]}}, "acd"),
        ({"tier": {"$ne": "pro"}}, "bd"),
        ({"year": {"$nin": [2026]}}, "ab"),
        ({"page": {"$exists": True}}, "d"),
        ({"$or": [{"year": 2024}, {"page": {"$lte": 3}}]}, "ad"),
        ({"$and": [{"tier": "free"}, {"year": {"$between": [2026, 2027]}}]}, "d"),
        ({"$not": {"tier": "pro"}}, "bd"),
        ({"$not": [{"tier": "pro"}, {"year": {"$lt": 2026}}]}, "d"),
        ('$.tier == "pro"', "ac"),
    ],
)
def test_filters_of_pgvector(store: RagpgVectorStore, filter: Any, left: str) -> None:
    assert sorted(map(str, ids(store.similarity_search("refund", k=4, filter=filter)))) == [*left]


def test_scores_are_cosine_distances(store: RagpgVectorStore) -> None:
    found = store.similarity_search_with_score("a refund and a refund", k=4)
    distances = [distance for _, distance in found]
    assert ids([one for one, _ in found])[:2] == ["b", "a"] and distances == sorted(distances)
    words = WordEmbedder()
    exact = 1 - float(
        words.embed_query("A refund is a refund.") @ words.embed_query("a refund and a refund")
    )
    assert distances[0] == pytest.approx(exact, abs=1e-3)
    relevant = store.similarity_search_with_relevance_scores("refund", k=4, score_threshold=0.5)
    assert [one.id for one, _ in relevant] == ["b", "a"]
    assert all(0 <= score <= 1 for _, score in relevant)


def test_questions_are_embedded_as_questions(store: RagpgVectorStore) -> None:
    embeddings = store.embeddings
    assert isinstance(embeddings, Words)
    store.similarity_search("login", k=1)
    assert embeddings.queries == 1


def test_maximal_marginal_relevance(store: RagpgVectorStore) -> None:
    """The nearest first, then what is unlike it: the second refund comes last of all."""
    assert ids(store.similarity_search("refund", k=2)) == ["b", "a"]
    diverse = ids(store.max_marginal_relevance_search("refund", k=2, fetch_k=4, lambda_mult=0.1))
    assert diverse[0] == "b" and diverse[1] in ("c", "d")
    vector = WordEmbedder().embed_query("refund").tolist()
    same = store.max_marginal_relevance_search_by_vector(vector, k=2, fetch_k=4, lambda_mult=1.0)
    assert ids(same) == ["b", "a"]
    retriever = store.as_retriever(
        search_type="mmr", search_kwargs={"k": 2, "fetch_k": 4, "filter": {"tier": "free"}}
    )
    assert ids(retriever.invoke("refund")) == ["b", "d"]


def test_a_vector_and_a_mode(store: RagpgVectorStore) -> None:
    vector = WordEmbedder().embed_query("login").tolist()
    assert ids(store.similarity_search_by_vector(vector, k=1)) == ["d"]
    assert ids(store.similarity_search("needs", k=1, mode="keyword")) == ["d"]


def test_texts_are_kept_as_they_are(store: RagpgVectorStore) -> None:
    text = (
        "# No heading\n\n  two spaces, 😀 and\ttabs " + "word " * 400 + "end"
    )  # no chunk is so long
    store.add_documents(
        [Document(id="long", page_content=text, metadata={"deep": {"a": [1, None]}})]
    )
    (found,) = store.similarity_search("word", k=1, filter={"deep.a": 1})
    (known,) = store.get_by_ids(["long", "nothing"])
    assert (
        known
        == found
        == Document(id="long", page_content=text, metadata={"deep": {"a": [1, None]}})
    )


def test_what_cannot_be_stored_is_told(store: RagpgVectorStore) -> None:
    with pytest.raises(errors.BadArgument, match="bad: "):
        store.add_texts(["fine", " "], ids=["good", "bad"])
    assert ids(store.get_by_ids(["good", "bad"])) == ["good"]
    assert store.add_texts([]) == []


def test_deleting(store: RagpgVectorStore) -> None:
    assert store.delete(["a", "nothing"])
    assert ids(store.get_by_ids(list("abcd"))) == ["b", "c", "d"]
    assert store.delete(None)
    assert store.get_by_ids(list("abcd")) == []


def test_the_retriever_says_where_its_passages_stand(client: ragpg.Client) -> None:
    pages = client.collection("pages")
    text = "# Refunds\n\nA refund takes five days.\n\n# Limits\n\nThe rate limit is ten."
    pages.add(text=text, source="page", metadata={"tier": "pro", "source": "mine"})
    retriever = RagpgRetriever(collection=pages, k=1, filter={"tier": "pro"})
    (found,) = retriever.invoke("what is the rate limit?")
    where = found.metadata["ragpg"]
    assert found.metadata["source"] == "mine"  # the author's own
    assert where["source"] == "page" and where["document_version"] == 1
    assert text[where["start_char"] : where["end_char"]] == found.page_content
    by_words = RagpgRetriever(collection=pages, mode="keyword", search_kwargs={"neighbours": 1})
    assert "five days" in by_words.invoke("ten")[0].page_content
    assert RagpgRetriever(collection=client.collection("none")).invoke("refund") == []


def test_without_embeddings_the_model_of_the_client_embeds(client: ragpg.Client) -> None:
    store = RagpgVectorStore(connection=client, collection_name="cut", mode="hybrid")
    store.add_texts(["A refund takes days. " * 40 + "The rate limit is ten."], ids=["long"])
    found = store.similarity_search("rate limit", k=1)[0]
    assert found.id == "long" and "rate limit" in found.page_content
    assert len(found.page_content) < 700
    store.close()
    assert client.collections()  # its owner closes it


async def test_asynchronous_calls_do_the_same(store: RagpgVectorStore) -> None:
    found = await store.asimilarity_search_with_score("refund", k=2, filter={"tier": "pro"})
    assert ids([one for one, _ in found]) == ["a", "c"]
    assert ids(await store.amax_marginal_relevance_search("refund", k=1)) == ["b"]


def test_words_search_a_title_and_no_id(store: RagpgVectorStore) -> None:
    store.add_texts(["One text.", "More."], [{"title": "Zebra"}, {}], ids=["okapi", "quagga"])
    hits = store.similarity_search("zebra okapi quagga", mode="keyword")
    assert [one.id for one in hits] == ["okapi"]


def test_embeddings_of_hits_are_those_given(store: RagpgVectorStore) -> None:
    hits = store.collection.search("refund", 4, mode="vector")
    vectors = store.collection.embeddings(hits)
    expected = WordEmbedder().embed_documents([hit.content for hit in hits])
    np.testing.assert_allclose(vectors, expected, atol=1e-3)
