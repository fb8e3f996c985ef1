"""Searches by vectors alone: what each hit says, how many there are, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg
from ragpg.models import GivenEmbedder
from ragpg.search.hits import Hit

from ..conftest import new_database
from .larger import rows

COUNT, DIMENSIONS = 1300, 32
VECTORS = np.random.default_rng(7).normal(size=(COUNT, DIMENSIONS)).astype(np.float32)
VECTORS[1:6] = VECTORS[0]  # alike
QUESTION = VECTORS[0]


@pytest.fixture
def url(server: str) -> Iterator[str]:
    yield from new_database(server, "template_ragpg")


@pytest.fixture
def collection(url: str) -> Iterator[ragpg.Collection]:
    with ragpg.connect(url, embedder=GivenEmbedder("records", DIMENSIONS)) as client:
        collection = client.collection("big")
        collection.add(
            records=[
                {
                    "source": f"d{n}",
                    "text": f"text {n} " + "of many words " * (n % 90),
                    "title": f"Title {n}",
                    "embedding": one,
                    "metadata": {"n": n, "tags": ["a", n]},
                }
                for n, one in enumerate(VECTORS)
            ]
        )
        yield collection


def found(collection: ragpg.Collection, k: int = 10, **given: Any) -> list[Hit]:
    return collection.search("", k, mode="vector", query_embedding=QUESTION, **given)


def by_keys(sql: psycopg.Connection, hits: list[Hit]) -> list[Hit]:
    """What the tables say of the chunks of these hits, each looked up by its key."""
    held = rows(
        sql,
        "select hit.place, chunk.id, document.id, document.version, document.source,"
        " document.title, chunk.content, chunk.context, 1 - (chunk.embedding <=> %s::vector),"
        " 1 - (chunk.embedding <=> %s::vector), null, chunk.start_char, chunk.end_char, chunk.page,"
        " document.metadata"
        " from unnest(%s::bigint[]) with ordinality as hit (id, place)"
        " join ragpg.chunks as chunk on chunk.id = hit.id"
        " join ragpg.documents as document on document.id = chunk.document_id order by hit.place",
        *[str(QUESTION.tolist())] * 2,
        [hit.chunk_id for hit in hits],
    )
    return [Hit(*row) for row in held]


def rounded(hits: list[Hit]) -> list[Hit]:
    return [
        replace(hit, score=round(hit.score, 4), similarity=round(hit.similarity or 0, 4))
        for hit in hits
    ]


@pytest.mark.parametrize("quantize", ["none", "bit", "subvector:16"])
@pytest.mark.parametrize("filter", [None, {"n": {"$lt": 90}}, {"n": 3}, {"n": {"$gte": 100}}])
def test_a_hit_says_what_the_tables_hold(
    collection: ragpg.Collection, sql: psycopg.Connection, quantize: str, filter: Any
) -> None:
    collection.indexes.quantize(1, quantize)
    hits = found(collection, filter=filter)
    assert len(hits) == (1 if filter == {"n": 3} else 10)
    assert rounded(hits) == rounded(by_keys(sql, hits))
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))


def test_chunks_as_near_stand_in_the_order_they_were_added(collection: ragpg.Collection) -> None:
    for filter in (None, {"n": {"$lt": 50}}):
        sources = [hit.source for hit in found(collection, filter=filter)]
        assert sources[:6] == [f"d{n}" for n in range(6)]


@pytest.mark.parametrize("ef_search", [10, 100, 1000])
def test_as_many_come_back_as_are_asked_for(
    collection: ragpg.Collection, sql: psycopg.Connection, ef_search: int
) -> None:
    rows(sql, "update ragpg.search_indexes set ef_search = %s returning id", ef_search)
    for k in (1, 100, 101, 400, 1000, 1001, COUNT, COUNT + 5):
        hits = found(collection, k)
        assert [hit.place for hit in hits] == list(range(1, min(k, COUNT) + 1))
        assert len({hit.chunk_id for hit in hits}) == len(hits)


def test_rows_that_were_deleted_leave_no_gap(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    near = [f"d{n}" for n in np.argsort(-(VECTORS @ QUESTION))[:400]]
    rows(sql, "delete from ragpg.documents where source = any(%s) returning 1", near)
    hits = found(collection, 50)
    assert len(hits) == 50
    assert not {hit.source for hit in hits} & set(near)
    few = found(collection, 50, filter={"n": {"$lt": 60}})
    assert len(few) == 60 - len([n for n in range(60) if f"d{n}" in near])


@pytest.mark.parametrize("filter", [None, {"n": {"$lt": 30}}, {"n": 3}])
def test_it_is_kept_in_the_log(
    collection: ragpg.Collection, sql: psycopg.Connection, filter: Any
) -> None:
    rows(sql, "update ragpg.collections set search_log_share = 1 returning id")
    hits = found(collection, filter=filter)
    [kept] = rows(sql, "select mode, k, filtered, hit_count, best_similarity from ragpg.searches")
    assert kept[:4] == ("vector", 10, filter is not None, len(hits))
    assert kept[4] == pytest.approx(hits[0].score, abs=1e-5)
