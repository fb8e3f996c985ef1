"""The static encoder: a regression that finds what is there, measured, on only where it agrees."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from scipy import sparse

import ragpg
from ragpg import errors
from ragpg.embedding import SentenceTransformerEmbedder
from ragpg.static_encoder import draw_spans, fit, ridge_regression

from .conftest import ROOT
from .test_encoder import SMALL, build_model

Sql = psycopg.Connection[Any]
TEXTS = ["The office opens at nine. Bread is sold until noon.", "Refunds take five days."]


def test_the_regression_is_the_closed_form() -> None:
    drawn = np.random.default_rng(0)
    design = drawn.poisson(0.4, (300, 40)).astype(np.float32)
    targets = drawn.normal(size=(300, 8)).astype(np.float32)
    ridge = np.full((40, 1), 0.7, np.float32)
    found = ridge_regression(sparse.csr_matrix(design), targets, ridge, steps=200)
    exact = np.linalg.solve(design.T @ design + 0.7 * np.eye(40), design.T @ targets)
    assert np.abs(found - exact).max() < 1e-4


def test_a_token_no_span_holds_keeps_its_row() -> None:
    drawn = np.random.default_rng(0)
    start = drawn.normal(size=(50, 8)).astype(np.float32)
    true = drawn.normal(size=(50, 8)).astype(np.float32)
    tokens = [list(drawn.integers(0, 40, drawn.integers(2, 9))) for _ in range(2000)]
    sums = np.stack([true[one].sum(axis=0) for one in tokens])
    targets = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    bias, table = fit(tokens, targets.astype(np.float32), start)
    assert np.array_equal(table[40:], start[40:])
    found = np.stack([bias + table[one].sum(axis=0) for one in tokens])
    cosines = (found * targets).sum(axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.mean() > 0.98


def test_spans_are_of_the_texts_and_the_same_each_time() -> None:
    spans = draw_spans(TEXTS, 30, random.Random(0), templates=())
    assert spans == draw_spans(TEXTS, 30, random.Random(0), templates=())
    assert len(set(spans)) == len(spans) > 20
    assert all(any(span in text for text in TEXTS) for span in spans)
    assert "Refunds take five days." in spans
    assert draw_spans(["", "  "], 5, random.Random(0)) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("small") / "model", **SMALL)


@pytest.fixture
def pages(url: str, folder: Path) -> ragpg.Collection:
    """A page of the handbook, embedded by a small random model, which the database holds."""
    client = ragpg.connect(url, embedder=SentenceTransformerEmbedder(str(folder)))
    collection = client.collection("pages")
    collection.add(ROOT / "ragpg" / "handbook" / "pricing.md", chunk_tokens=40)
    client.load_encoder(str(folder))
    return collection


def hits(sql: Sql, arguments: str) -> list[Any]:
    query = f"select chunk_id, score from ragpg.search('refund of money', 5, 'pages'{arguments})"
    return sql.execute(query.encode()).fetchall()


def test_fit_use_drift_and_drop(pages: ragpg.Collection, sql: Sql) -> None:
    told: list[tuple[int, int]] = []
    report = pages.fit_static_encoder(
        spans=1000, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1][0] == told[-1][1] > 1000
    assert report.mean_cosine > 0.9 and 0 < report.mean_overlap <= 1, report
    # The neighbours of a random model mean nothing, so that they are taken as agreed.
    sql.execute("update ragpg.static_encoders set mean_overlap = 0.6")
    pages.use_static_encoder()
    # SQL computes what the regression says.
    tokens, bias, rows = sql.execute(
        """
        select
            ragpg.query_tokens(recipe.embedding_model_id, 'refund of money'), fitted.bias::real[],
            (select array_agg(token.embedding::real[] order by token.token_id)
            from ragpg.static_token_embeddings as token
            where token.index_id = recipe.id and token.token_id = any(
                ragpg.query_tokens(recipe.embedding_model_id, 'refund of money')))
        from ragpg.static_encoders as fitted
        join ragpg.search_indexes as recipe on recipe.id = fitted.index_id
        """
    ).fetchone() or ([], [], [])
    assert len(set(tokens)) == len(tokens)
    total = np.asarray(bias) + np.asarray(rows).sum(axis=0)
    static = "ragpg.embed_query_static('refund of money', 1)"
    (found,) = sql.execute(f"select {static}::real[]".encode()).fetchone() or ([],)
    assert np.allclose(found, total / np.linalg.norm(total), atol=1e-5)
    # search uses it, and the model again when told so.
    exact = "ragpg.embed_query('refund of money')"
    by_static = hits(sql, f", query_embedding => {static}::halfvec")
    by_model = hits(sql, f", query_embedding => {exact}::halfvec")
    assert by_static != by_model
    assert hits(sql, "") == by_static
    pages.use_static_encoder(False)
    assert hits(sql, "") == by_model
    # It drifts as the text moves on.
    (row,) = pages.client.static_encoders()
    assert (row["collection"], row["enabled"], row["drifted"]) == ("pages", False, False)
    pages.add(records=[{"source": f"s{n}", "text": f"Other text {n}. " * 40} for n in range(30)])
    (row,) = pages.client.static_encoders()
    assert row["drifted"] and row["changed_share"] > 0.2
    assert pages.drop_static_encoder() and not pages.drop_static_encoder()
    assert pages.client.static_encoders() == []


def test_one_that_does_not_agree_stays_off(pages: ragpg.Collection, sql: Sql) -> None:
    with pytest.raises(errors.EncoderUnavailable, match="has no static encoder"):
        pages.use_static_encoder()
    pages.fit_static_encoder(spans=200)
    sql.execute("update ragpg.static_encoders set bias = bias * array_fill(-9, array[48])::vector")
    asked = ["how long do refunds take", "where is the office"]
    exact = [pages.client.embedder.embed_query(one) for one in asked]
    (agrees,) = sql.execute(
        "select ragpg.measure_static_encoder(1, %s, %s::vector[])",
        (asked, [str(one.tolist()) for one in exact]),
    ).fetchone() or ([],)
    assert agrees is False
    with pytest.raises(errors.EncoderUnavailable, match="agrees too little"):
        pages.use_static_encoder()
    with pytest.raises(psycopg.errors.CheckViolation, match="enabled_when_it_agrees"):
        sql.execute("update ragpg.static_encoders set enabled = true")


def test_it_needs_the_model_in_the_database(url: str, folder: Path) -> None:
    client = ragpg.connect(url, embedder=SentenceTransformerEmbedder(str(folder)))
    collection = client.collection("pages")
    with pytest.raises(errors.UnknownCollection, match="ragpg add"):
        collection.fit_static_encoder()
    collection.add(records=[{"source": "a", "text": "The office opens at nine."}])
    with pytest.raises(errors.EncoderUnavailable, match="ragpg model load"):
        collection.fit_static_encoder()
