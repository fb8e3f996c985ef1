"""The plan of a collection beside the collection."""

from __future__ import annotations

import json
import random

import numpy as np
import psycopg
import pytest
from typer.testing import CliRunner

import ragpg
from ragpg.cli.entry import app
from ragpg.errors import BadArgument
from ragpg.inspection.planning import plan
from ragpg.models import GivenEmbedder

COUNT, DIMENSIONS, WORDS = 3000, 256, 110


def test_a_collection_takes_what_the_plan_says(url: str, sql: psycopg.Connection) -> None:
    draw = random.Random(1)
    known = [
        "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9)))
        for _ in range(4000)
    ]
    vectors = np.random.default_rng(2).normal(size=(COUNT, DIMENSIONS)).astype(np.float32)
    texts = [" ".join(draw.choices(known, k=WORDS)) for _ in range(COUNT)]
    with ragpg.connect(url, embedder=GivenEmbedder("records", DIMENSIONS)) as client:
        collection = client.collection("big")
        collection.add(
            records=[
                {"source": f"d{n}", "text": text, "embedding": vectors[n], "metadata": {"n": n}}
                for n, text in enumerate(texts)
            ]
        )
        sizes = []
        for quantize in ("none", "bit"):
            collection.indexes.quantize(1, quantize)
            sql.execute("vacuum full")
            sizes.append(
                sql.execute(
                    "select pg_relation_size('ragpg.chunks_1_embedding_hnsw'),"
                    " sum(pg_total_relation_size(relation))::bigint from unnest('{ragpg.documents,"
                    "ragpg.chunks_1,ragpg.index_documents,ragpg.document_values}'::regclass[])"
                    " as relation"
                ).fetchall()[0]
            )
    characters = round(sum(map(len, texts)) / COUNT)
    planned = plan(COUNT, DIMENSIONS, characters=characters, chunks_a_document=1, values=1)
    (whole, everything), (bits, _) = sizes
    assert planned.vector_index == pytest.approx(whole, rel=0.05)
    assert planned.vector_index_of_bits == pytest.approx(bits, rel=0.05)
    assert planned.disk == pytest.approx(everything, rel=0.2)


def test_the_plan_from_the_command_line() -> None:
    result = CliRunner().invoke(app, ["plan", "--chunks", "1e8", "--dimensions", "768"])
    assert result.exit_code == 0, result.output
    assert "100,000,000 chunks of 768 dimensions" in result.output
    told = CliRunner().invoke(app, ["plan", "--chunks", "1e6", "--dimensions", "8000", "--json"])
    found = json.loads(told.stdout)
    assert found["vector_index"] is None
    assert found["vector_index_of_bits"] == 1_365_333_333


@pytest.mark.parametrize("given", [{"chunks": 0}, {"dimensions": 20_000}, {"characters": 0}])
def test_nothing_to_plan_is_told(given: dict[str, int]) -> None:
    with pytest.raises(BadArgument, match=next(iter(given))):
        plan(**{"chunks": 1000, "dimensions": 384, **given})
