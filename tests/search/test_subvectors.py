"""Vector indexes of the first numbers, of embeddings of which these are an embedding, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
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

from ..conftest import new_database
from .test_quantized import found, records, vector_indexes

COUNT, DIMENSIONS, FIRST = 800, 256, 64
# As models trained by Matryoshka representation learning (Kusupati et al. 2022) make them: most of
# what tells two texts apart is in the first numbers.
WEIGHTS = np.where(np.arange(DIMENSIONS) < FIRST, 1.0, 0.25)
VECTORS = np.random.default_rng(11).normal(size=(COUNT, DIMENSIONS)) * WEIGHTS
VECTORS = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float32)
HELD = "hnsw (((subvector(embedding, 1, 64))::halfvec(64)) halfvec_cosine_ops)"


@pytest.fixture
def url(server: str) -> Iterator[str]:
    yield from new_database(server, "template_ragpg")


@pytest.fixture
def collection(url: str) -> Iterator[ragpg.Collection]:
    with ragpg.connect(url, embedder=GivenEmbedder("records", DIMENSIONS)) as client:
        collection = client.collection("big")
        assert collection.add(records=records(VECTORS)).added == COUNT
        yield collection


def nearest(vector: Any, k: int, passing: Any = slice(None)) -> list[str]:
    numbers = np.arange(COUNT)[passing]
    return [f"d{n}" for n in numbers[np.argsort(-(VECTORS[numbers] @ vector))[:k]]]


def test_the_nearest_by_the_first_numbers_are_ordered_by_all(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    made = collection.indexes.create(quantize="subvector:64")
    collection.indexes.fill(made.id)
    assert vector_indexes(sql)[1] == HELD
    measured = collection.indexes.measure_recall(index_id=made.id, queries_asked=30)
    assert measured["recall"] > 0.95 and measured["ef_search"] == 400
    collection.indexes.activate(made.id)
    for one in VECTORS[::80]:
        hits = found(collection, one)
        assert len({*hits} & {*nearest(one, 10)}) >= 9 and hits[0] == nearest(one, 1)[0]
    [hit] = collection.search("", 1, mode="vector", query_embedding=VECTORS[7])
    assert hit.similarity == pytest.approx(1, abs=1e-3), "of all numbers, not of the first"
    assert sql.execute("select * from ragpg.verify()").fetchall() == []


def test_it_is_used_and_less_is_ordered_anew(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    assert collection.indexes.quantize(1, "subvector:64") == "subvector:64"
    assert vector_indexes(sql) == [HELD]
    register_vector(sql)
    sql.execute("set enable_seqscan = off")
    (asked,) = sql.execute(
        "select ragpg_internal.nearest_query('chunks_1', 1, 256, 'subvector:64', '', 10, 400)"
    ).fetchone() or ("",)
    plan = sql.execute(
        f"explain {asked.replace('$1', '%s::halfvec')}".encode(),
        [HalfVector(VECTORS[0])] * asked.count("$1"),
    ).fetchall()
    assert any("Index Scan using chunks_1_embedding_hnsw" in line for (line,) in plan)
    few = collection.session.database.value(
        "select recall from ragpg.measure_recall('big', ef_search => 10)"
    )
    assert few < collection.indexes.measure_recall()["recall"]


@pytest.mark.parametrize("share", [500, 100, 5])
def test_filters_find_as_many_as_match(collection: ragpg.Collection, share: int) -> None:
    collection.indexes.quantize(1, "subvector:64")
    for one in VECTORS[::200]:
        hits = found(collection, one, filter={"n": {"$lt": share}})
        assert len(hits) == min(10, share)
        assert len({*hits} & {*nearest(one, 10, slice(share))}) >= min(9, share)


def test_what_is_no_part_is_told_and_leaves_nothing(
    collection: ragpg.Collection, sql: psycopg.Connection
) -> None:
    for wrong in ("subvector:256", "subvector:9999", "subvector:0", "subvector", "subvector:6'4"):
        with pytest.raises(errors.BadArgument):
            collection.indexes.quantize(1, wrong)
        with pytest.raises(errors.BadArgument):
            collection.indexes.create(quantize=wrong)
    with pytest.raises(psycopg.Error, match=r"256 dimensions, \"subvector:300\" is not a part"):
        sql.execute("select ragpg.quantize_search_index(1, 'subvector:300')")
    assert sql.execute("select id, quantize from ragpg.search_indexes").fetchall() == [(1, "none")]


def test_another_build_holds_the_same_of_the_same_model_alone(collection: ragpg.Collection) -> None:
    collection.indexes.quantize(1, "subvector:64")
    same = collection.indexes.create()
    other = collection.indexes.create(model=GivenEmbedder("narrow", 32))
    held = {row["index_id"]: row["quantize"] for row in collection.indexes.status()}
    assert (held[same.id], held[other.id]) == ("subvector:64", "none")


def test_wide_embeddings_may_take_their_first_numbers(server: str) -> None:
    wide = np.random.default_rng(3).normal(size=(60, 5000)).astype(np.float32)
    for url in new_database(server, "template_ragpg"):
        with ragpg.connect(url, embedder=GivenEmbedder("records", 5000)) as client:
            collection = client.collection("wide")
            assert collection.add(records=records(wide)).added == 60
            assert collection.indexes.quantize(1, "subvector:4000") == "subvector:4000"
            assert found(collection, wide[4])[0] == "d4"
            with pytest.raises(errors.BadArgument, match="takes"):
                collection.indexes.quantize(1, "subvector:4500")


def test_from_the_command_line(
    collection: ragpg.Collection, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)

    def run(*given: str) -> Any:
        return CliRunner().invoke(app, [*given])

    told = json.loads(run("index", "quantize", "1", "subvector:64", "--json").stdout)
    assert (told["quantize"], told["recall"]["ef_search"]) == ("subvector:64", 400)
    [row] = json.loads(run("index", "list", "--json").stdout)
    assert row["quantize"] == "subvector:64"
    assert "64 numbers" in run("index", "quantize", "1", "subvector:64", "--queries", "5").stdout
    assert "no quantisation" in str(run("index", "quantize", "1", "byte").exception)
