"""Vector indexes of a bit of each number: the same hits, found and ordered by the embeddings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli.entry import app
from ragpg.models import GivenEmbedder, HalfVector

from ..conftest import database_url, new_database

COUNT, DIMENSIONS = 1500, 256
DRAWN = np.random.default_rng(5)
CENTRES = DRAWN.normal(size=(30, DIMENSIONS))
VECTORS = CENTRES[np.arange(COUNT) % 30] + 0.8 * DRAWN.normal(size=(COUNT, DIMENSIONS))
VECTORS = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float32)


def records(vectors: Any) -> list[dict[str, Any]]:
    return [
        {"source": f"d{n}", "text": f"text {n}", "embedding": one, "metadata": {"n": n}}
        for n, one in enumerate(vectors)
    ]


@pytest.fixture(scope="session")
def template_clusters(server: str) -> str:
    """A database of 1,500 documents whose embeddings are of thirty kinds."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create database template_clusters template template_ragpg")
    url = database_url(server, "template_clusters")
    with ragpg.connect(url, embedder=GivenEmbedder("records", DIMENSIONS)) as client:
        assert client.collection("big").add(records=records(VECTORS)).added == COUNT
    return "template_clusters"


@pytest.fixture
def url(server: str, template_clusters: str) -> Iterator[str]:
    yield from new_database(server, template_clusters)


@pytest.fixture
def collection(url: str) -> Iterator[ragpg.Collection]:
    with ragpg.connect(url, embedder=GivenEmbedder("records", DIMENSIONS)) as client:
        yield client.collection("big")


def vector_indexes(sql: psycopg.Connection) -> list[str]:
    found = sql.execute(
        "select indexdef from pg_indexes where indexdef like '%hnsw%' order by indexname"
    )
    return [row[0].partition(" USING ")[2] for row in found]


def nearest(vector: Any, k: int, passing: Any = slice(None)) -> list[str]:
    numbers = np.arange(COUNT)[passing]
    return [f"d{n}" for n in numbers[np.argsort(-(VECTORS[numbers] @ vector))[:k]]]


def found(collection: ragpg.Collection, vector: Any, **given: Any) -> list[str]:
    hits = collection.search("", 10, mode="vector", query_embedding=vector, **given)
    return [hit.source for hit in hits]


def test_a_build_with_bits_is_measured_before_it_answers(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    made = collection.indexes.create(quantize="bit")
    collection.indexes.fill(made.id)
    assert vector_indexes(sql) == [
        "hnsw (((embedding)::halfvec(256)) halfvec_cosine_ops)",
        "hnsw (((binary_quantize(embedding))::bit(256)) bit_hamming_ops)",
    ]
    measured = collection.indexes.measure_recall(index_id=made.id, queries_asked=30)
    assert (measured["index_id"], measured["ef_search"]) == (made.id, 400)
    assert measured["recall"] > 0.9
    collection.indexes.activate(made.id)
    right = [len({*found(collection, one)} & {*nearest(one, 10)}) for one in VECTORS[::50]]
    assert np.mean(right) > 9
    [hit] = collection.search("", 1, mode="vector", query_embedding=VECTORS[7])
    assert hit.source == "d7"
    assert hit.similarity == pytest.approx(1, abs=1e-3)


def test_fewer_ordered_anew_find_less(collection: ragpg.Collection) -> None:
    """What `tune` sets: without a second look the nearest by bits are not the nearest."""
    collection.indexes.quantize(1, "bit")
    few = collection.session.database.value(
        "select recall from ragpg.measure_recall('big', ef_search => 10)"
    )
    assert few < 0.8 < 0.95 < collection.indexes.tune_ef_search(recall=0.95)["recall"] + 1e-9


def test_the_one_that_answers_changes_and_back(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    before = found(collection, VECTORS[3])
    assert collection.indexes.quantize(1, "bit") == "bit"
    bits = ["hnsw (((binary_quantize(embedding))::bit(256)) bit_hamming_ops)"]
    assert vector_indexes(sql) == bits
    assert found(collection, VECTORS[3])[:5] == before[:5]
    collection.add(records=[{"source": "new", "text": "new", "embedding": -VECTORS[3]}])
    assert found(collection, -VECTORS[3])[0] == "new"
    assert collection.indexes.quantize(1, "bit") == "bit"
    assert vector_indexes(sql) == bits
    assert [row for row in sql.execute("select * from ragpg.verify()")] == []
    assert collection.indexes.quantize(1, "none") == "none"
    assert vector_indexes(sql) == ["hnsw (((embedding)::halfvec(256)) halfvec_cosine_ops)"]
    assert found(collection, VECTORS[3]) == before
    sources = sql.execute("select quantize, ef_search from ragpg.index_health").fetchall()
    assert sources == [("none", 100)]


def test_the_index_of_bits_is_used(collection: ragpg.Collection, sql: psycopg.Connection) -> None:
    collection.indexes.quantize(1, "bit")
    register_vector(sql)
    sql.execute("set enable_seqscan = off")
    (asked,) = sql.execute(
        "select ragpg_internal.nearest_query('chunks_1', 1, 256, 'bit', '', 10, 400)"
    ).fetchone() or ("",)
    plan = sql.execute(
        f"explain {asked.replace('$1', '%s::halfvec')}".encode(),
        [HalfVector(VECTORS[0])] * asked.count("$1"),
    ).fetchall()
    assert any("Index Scan using chunks_1_embedding_hnsw" in line for (line,) in plan)


@pytest.mark.parametrize("share", [1000, 500, 100, 5])
def test_filters_find_as_many_as_match(collection: ragpg.Collection, share: int) -> None:
    collection.indexes.quantize(1, "bit")
    for one in VECTORS[::300]:
        hits = found(collection, one, filter={"n": {"$lt": share}})
        assert len(hits) == min(10, share)
        assert len({*hits} & {*nearest(one, 10, slice(share))}) >= min(9, share)


def test_near_duplicates_are_found_by_bits(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    again = {"source": "again", "text": "text 11", "embedding": VECTORS[11] + 0.001}
    collection.add(records=[again])
    collection.indexes.quantize(1, "bit")
    pairs = sql.execute("select first_source, second_source from ragpg.near_duplicates()")
    assert ("d11", "again") in pairs.fetchall()


def test_auto_asks_what_fits(collection: ragpg.Collection, sql: psycopg.Connection) -> None:
    ask = "select ragpg.quantize_search_index(1)"
    assert sql.execute(ask).fetchone() == ("none",)
    sql.execute("set effective_cache_size = '1MB'")
    assert sql.execute(ask).fetchone() == ("bit",)
    # One that is filled yet takes what it lacks from the active one.
    made = collection.indexes.create(quantize="auto")
    assert (
        sql.execute("select quantize from ragpg.search_indexes where id = %s", [made.id]).fetchone()
    ) == ("none",)
    again = sql.execute("select ragpg.quantize_search_index(%s)", [made.id]).fetchone()
    assert again == ("bit",)


def test_wide_embeddings_take_bits(server: str) -> None:
    """Of 5,000 numbers, of which halfvec's HNSW takes 4,000 at most."""
    wide = np.random.default_rng(3).normal(size=(60, 5000)).astype(np.float32)
    for url in new_database(server, "template_ragpg"):
        with ragpg.connect(url, embedder=GivenEmbedder("records", 5000)) as client:
            collection = client.collection("wide")
            assert collection.add(records=records(wide)).added == 60
            assert found(collection, wide[4])[0] == "d4"
            with pytest.raises(errors.BadArgument, match=r"5000 dimensions.*4,000 at most"):
                collection.indexes.quantize(1, "none")
            assert collection.indexes.measure_recall()["recall"] == 1
            made = collection.indexes.create()
            collection.indexes.fill(made.id)
            collection.indexes.activate(made.id)
            assert found(collection, wide[4])[0] == "d4"


def test_what_is_no_quantisation_is_told(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.Error, match='no quantisation "byte"'):
        sql.execute("select ragpg.quantize_search_index(1, 'byte')")
    with pytest.raises(psycopg.Error, match="there is no search index 9"):
        sql.execute("select ragpg.quantize_search_index(9, 'bit')")
    with pytest.raises(errors.BadArgument):
        collection.indexes.quantize(1, "byte")


def test_from_the_command_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)

    def run(*given: str) -> str:
        result = CliRunner().invoke(app, [*given])
        assert result.exit_code == 0, result.output
        return result.stdout

    told = json.loads(run("index", "quantize", "1", "bit", "--queries", "20", "--json"))
    assert (told["quantize"], told["recall"]["ef_search"]) == ("bit", 400)
    assert ", bit" in run("index", "list")
    assert "embeddings whole" in run("index", "quantize", "1", "none", "--queries", "5")
    assert "recall@10" in run("index", "recall", "--index", "1", "--queries", "5")


def test_a_search_passes_while_a_reader_keeps_the_index_before(
    collection: ragpg.Collection, url: str, sql: psycopg.Connection
) -> None:
    """As pg_dump reads: the index before is dropped once it has gone; nobody waits meanwhile."""
    with psycopg.connect(url) as reader, ThreadPoolExecutor(1) as pool:
        reader.execute("select count(*) from ragpg.chunks_1").fetchall()
        changed = pool.submit(collection.indexes.quantize, 1, "bit")
        sql.execute("set statement_timeout = '20s'")
        while not sql.execute(
            "select from pg_stat_activity where wait_event = 'PgSleep'"
            " and datname = current_database()"
        ).fetchall():
            time.sleep(0.05)
        hits = sql.execute("select source from ragpg.search('text 7', 3, mode => 'keyword')")
        assert len(hits.fetchall()) == 3
        assert not changed.done()
        reader.rollback()
        assert changed.result(60) == "bit"
    assert len(vector_indexes(sql)) == 1


def test_it_waits_for_the_first_build_and_changes_what_that_made(
    collection: ragpg.Collection, url: str, sql: psycopg.Connection
) -> None:
    made = collection.indexes.create()
    with psycopg.connect(url) as builder, ThreadPoolExecutor(1) as pool:
        builder.execute("select ragpg.refresh_search_index(%s)", [made.id])
        changed = pool.submit(collection.indexes.quantize, made.id, "bit")
        while not sql.execute("select from pg_locks where not granted").fetchall():
            time.sleep(0.05)
        builder.commit()
        assert changed.result(60) == "bit"
    assert (
        vector_indexes(sql)[1] == "hnsw (((binary_quantize(embedding))::bit(256)) bit_hamming_ops)"
    )


def test_another_build_holds_what_the_active_one_holds(collection: ragpg.Collection) -> None:
    collection.indexes.quantize(1, "bit")
    made = [collection.indexes.create(), collection.indexes.create(quantize="none")]
    held = {row["index_id"]: row["quantize"] for row in collection.indexes.status()}
    assert [held[one.id] for one in made] == ["bit", "none"]
