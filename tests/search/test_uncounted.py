"""What was not counted yet, and vectors that say nothing: there are k hits whenever k match."""

from __future__ import annotations

import math

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector

import ragpg
from ragpg.models import HalfVector

from ..conftest import WordEmbedder
from .larger import rows

UNCOUNTED = [
    "delete from ragpg.index_statistics returning 1",
    "update ragpg.index_statistics set chunk_count = 0 returning 1",
    "update ragpg.index_statistics set chunk_count = 30000, document_sample = '{}' returning 1",
]


@pytest.mark.parametrize("statement", UNCOUNTED)
@pytest.mark.parametrize("mode", ["vector", "hybrid"])
@pytest.mark.parametrize("filter", ['$.tier == "pro"', '$.tier like_regex "p"'])
def test_a_filter_of_what_is_not_counted_finds_all(
    handbook: ragpg.Collection, sql: psycopg.Connection, statement: str, mode: str, filter: str
) -> None:
    """As during a first load, whose statistics are written after it."""
    register_vector(sql)
    rows(sql, statement)
    rows(sql, "select set_config('statement_timeout', '20s', false)")
    found = rows(
        sql, "select place from ragpg.search('money', 5, filter => %s::jsonpath, mode => %s,"
        " query_embedding => %s)", filter, mode, HalfVector(WordEmbedder().embed_query("money")),
    )  # fmt: skip
    assert len(found) == 5


@pytest.mark.parametrize("mode", ["vector", "hybrid", "keyword"])
def test_a_vector_of_zeros_is_no_nearest(url: str, mode: str) -> None:
    """Zeros are what a failed job of embedding leaves; their cosine is NaN, the largest number."""
    words = WordEmbedder()
    with ragpg.connect(url, embedder=words) as client:
        held = client.collection("zeros")
        texts = ["The refund takes days.", "Refund of money.", "A login.", "The rate limit."]
        held.add(
            records=[
                {
                    "source": str(n),
                    "text": text,
                    "embedding": words.embed_query(text) if n else np.zeros(8, np.float32),
                }
                for n, text in enumerate(texts)
            ]
        )
        hits = held.search("Refund of money.", k=4, mode=mode)  # type: ignore[arg-type]
        assert hits[0].source == "1"
        assert not any(math.isnan(hit.score) or math.isnan(hit.similarity or 0) for hit in hits)
        assert mode == "keyword" or len(hits) == 4
