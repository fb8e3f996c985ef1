"""Hosted models through their official SDKs, against a server that speaks the three APIs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg
from ragpg import errors, open_embedder
from ragpg.models.hosted import HOSTED, LIMITS, HostedEmbedder, estimated_token_starts

from ..conftest import ROOT
from ..servers.embedding import EmbeddingServer

MODELS = ["openai/text-embedding-3-small", "voyage/voyage-3.5", "cohere/embed-v4.0"]
SIZES = {MODELS[0]: 1536, MODELS[1]: 1024, MODELS[2]: 1536}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as api:
        for name, value in api.environment().items():
            monkeypatch.setenv(name, value)
        yield api


def hosted(name: str) -> HostedEmbedder:
    found = open_embedder(name)
    assert isinstance(found, HostedEmbedder)
    return found


def texts_of(body: dict[str, Any]) -> list[str]:
    return list(body.get("input") or body["texts"])


def test_names() -> None:
    large = hosted("openai/text-embedding-3-large@512")
    assert (large.provider, large.model, large.dimensions) == (
        "openai",
        "text-embedding-3-large",
        512,
    )
    assert large.name == "openai/text-embedding-3-large@512"
    assert hosted("voyage/voyage-3.5").name == "voyage/voyage-3.5"
    for name in ("all-MiniLM-L6-v2", "intfloat/e5-small-v2", "openai/", "/srv/models/openai/x"):
        found = open_embedder(name)
        assert (found.provider, found.name) == ("sentence-transformers", name)
    escaped = open_embedder("sentence-transformers/openai/of-the-hub")
    assert (escaped.provider, escaped.name) == ("sentence-transformers", "openai/of-the-hub")
    for name in ("cohere/embed-v4.0@", "cohere/embed-v4.0@many", "cohere/embed-v4.0@0"):
        with pytest.raises(errors.SettingsError, match="no number"):
            open_embedder(name)
    assert hosted("cohere/embed-english-v3.0").max_tokens == 256
    assert {name: limits[-1][0] for name, limits in LIMITS.items()} == dict.fromkeys(HOSTED, "")


@pytest.mark.parametrize("name", MODELS)
def test_vectors(api: EmbeddingServer, name: str) -> None:
    model = hosted(name)
    told: list[int] = []
    texts = ["refunds", "rate limits", "", "lone \ud800 surrogate", "refunds"]
    vectors = model.embed_documents(texts, told.append)
    assert vectors.shape == (5, SIZES[name]) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors[0], vectors[4], atol=1e-6)
    assert vectors[0] @ vectors[1] < 0.5, "each text has its own"
    assert sum(told) == 5
    count = len(api.requests)
    assert model.embed_documents([]).shape[0] == 0 and len(api.requests) == count
    query = model.embed_query("refund")
    assert query.shape == (SIZES[name],) and query.dtype == np.float32
    assert query @ vectors[0] > query @ vectors[1] + 0.5


@pytest.mark.parametrize(
    ("name", "field", "document", "query"),
    [
        (MODELS[1], "input_type", "document", "query"),
        (MODELS[2], "input_type", "search_document", "search_query"),
    ],
)
def test_what_a_text_is_for_is_sent(
    api: EmbeddingServer, name: str, field: str, document: str, query: str
) -> None:
    model = hosted(name)
    stored, asked = model.embed_documents(["refunds"])[0], model.embed_query("refunds")
    assert [one.body[field] for one in api.requests] == [document, query]
    assert stored @ asked < 0.99, "the API makes different vectors of them"
    told = api.requests[0].body
    assert told.get("truncation", told.get("truncate")) in (False, "NONE"), (
        "nothing is cut silently"
    )


@pytest.mark.parametrize(
    ("name", "field", "dimensions"),
    [
        ("openai/text-embedding-3-large@512", "dimensions", 512),
        ("voyage/voyage-3-large@256", "output_dimension", 256),
        ("cohere/embed-v4.0@1024", "output_dimension", 1024),
    ],
)
def test_dimensions_are_sent(api: EmbeddingServer, name: str, field: str, dimensions: int) -> None:
    model = hosted(name)
    assert model.embed_query("refund").shape == (dimensions,)
    assert api.requests[0].body[field] == dimensions
    assert hosted(name.partition("@")[0]).embed_query("refund").shape[0] > dimensions
    assert api.requests[1].body.get(field) is None
    assert model.embed_documents([]).shape == (0, dimensions)
    with pytest.raises(errors.EmbeddingError, match="dimensions"):
        hosted(f"{name.partition('@')[0]}@9999").embed_query("refund")


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_key_is_told(
    api: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (variable,) = (
        key for key in api.environment() if key.startswith(name[:2].upper()) and "KEY" in key
    )
    monkeypatch.setenv(variable, "wrong")
    with pytest.raises(errors.EmbeddingError, match=rf"the key in {variable} was refused \(401\)"):
        hosted(name).embed_query("refund")
    assert len(api.requests) == 1, "that does not pass by itself"
    monkeypatch.delenv(variable)
    with pytest.raises(errors.EmbeddingError, match=f"needs a key: set {variable}"):
        hosted(name).embed_query("refund")


@pytest.mark.parametrize("name", MODELS)
def test_a_missing_package_is_told(
    api: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    model = hosted(name)
    monkeypatch.setitem(sys.modules, model._sdk, None)
    with pytest.raises(errors.EmbeddingError, match=rf'pip install "ragpg\[{model.provider}\]"'):
        model.embed_query("refund")


@pytest.mark.parametrize("name", MODELS)
def test_a_busy_api_is_tried_again_when_it_says(api: EmbeddingServer, name: str) -> None:
    api.enqueue(429, retry_after=2)
    api.enqueue(503)
    assert hosted(name).embed_query("refund").shape == (SIZES[name],)
    first, second, third = (one.at for one in api.requests)
    assert second - first >= 2, "Retry-After is honoured"
    assert third > second
    api.enqueue(400, message="this will never work")
    with pytest.raises(errors.EmbeddingError, match=r"failed \(400\): .*this will never work"):
        hosted(name).embed_query("refund")
    assert len(api.requests) == 4


@pytest.mark.parametrize("name", MODELS)
def test_no_answer_at_all(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with EmbeddingServer() as api:
        pass
    for variable, value in api.environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("ragpg.models.hosted._MAX_RETRIES", 0)
    with pytest.raises(errors.EmbeddingError, match=r"failed \(no answer\)"):
        hosted(name).embed_query("refund")


@pytest.mark.parametrize(
    ("name", "count", "length", "requests"),
    [
        ("openai/text-embedding-3-small", 5000, 10, 3),  # 2,048 texts a request
        ("openai/text-embedding-3-small", 100, 8000, 3),  # 300,000 tokens a request
        ("voyage/voyage-3.5", 2500, 10, 3),
        ("voyage/voyage-3-large", 40, 10_000, 4),
        ("cohere/embed-v4.0", 200, 10, 3),
        ("cohere/embed-v4.0", 30, 10_000, 3),
    ],
)
def test_batches_keep_to_the_limits(
    api: EmbeddingServer, name: str, count: int, length: int, requests: int
) -> None:
    texts = [f"w{n:05} ".ljust(length, "é")[: length - 1] for n in range(count)]
    texts = [text.encode()[:length].decode("utf-8", "ignore") for text in texts]
    model = hosted(f"{name}@256")
    vectors = model.embed_documents(texts)
    assert len(api.requests) == requests
    assert [text for one in api.requests for text in texts_of(one.body)] == texts
    for place in (0, count // 2, count - 1):
        np.testing.assert_allclose(
            vectors[place], model.embed_documents([texts[place]])[0], atol=1e-6
        )


def test_a_text_beyond_the_window_is_refused_not_cut(api: EmbeddingServer) -> None:
    with pytest.raises(errors.EmbeddingError, match="the model reads 8192"):
        hosted(MODELS[0]).embed_documents(["x" * 9000])


def test_tokens_are_estimated_rather_high() -> None:
    """Against the tokenizer of all-MiniLM-L6-v2, on prose and on code."""
    real = ragpg.SentenceTransformerEmbedder()
    for path in (
        *(ROOT / "ragpg" / "handbook").glob("*.md"),
        ROOT / "ragpg" / "chunking" / "chunker.py",
    ):
        text = path.read_text()
        ratio = len(estimated_token_starts(text)) / len(real.token_starts(text))
        assert 1.0 <= ratio <= 1.8, path
    starts = estimated_token_starts("Hello wonderful  12345 世界 🎉\n")
    assert starts == [0, 6, 11, 15, 17, 20, 23, 24, 26, 26, 26, 27]
    assert estimated_token_starts("") == []


def test_another_model_behind_the_name_is_refused(
    api: EmbeddingServer, url: str, sql: psycopg.Connection
) -> None:
    for name in MODELS:
        api.salt, api.drift, held = "", 0.0, name.partition("/")[0]
        with ragpg.connect(url, embedder=open_embedder(name)) as client:
            client.collection(held).add(text="The refund takes five days.", source="a")
        api.drift = 0.05  # two answers of one API differ a little
        with ragpg.connect(url, embedder=open_embedder(name)) as client:
            assert client.collection(held).search("refunds")[0].source == "a"
            client.collection(held).add(text="The rate limit.", source="b")
        api.drift, api.salt = 0.0, "another"
        with ragpg.connect(url, embedder=open_embedder(name)) as client:
            with pytest.raises(errors.ModelMismatch, match="another embedding"):
                client.collection(held).search("refunds")
            with pytest.raises(errors.ModelMismatch, match="another embedding"):
                client.collection(held).add(text="The login.", source="c")
        with (
            ragpg.connect(url, embedder=open_embedder(f"{name}@256")) as client,
            pytest.raises(errors.ModelMismatch, match=f"was embedded with {name} "),
        ):
            client.collection(held).add(text="The login.", source="c")


def test_each_search_index_opens_its_own_model(
    api: EmbeddingServer, url: str, sql: psycopg.Connection
) -> None:
    with ragpg.connect(url, embedder=open_embedder(MODELS[0])) as client:
        held = client.collection("one")
        held.add(text="The refund takes five days.", source="a")
        held.add(text="The rate limit is ten.", source="b")
        made = [held.indexes.create(model=name) for name in (MODELS[1], f"{MODELS[0]}@256")]
        for one in made:
            assert client.collection().indexes.fill(one.id).indexed == 2
        client.collection().indexes.activate(made[1].id)
    with ragpg.connect(url) as client:  # configured with another model altogether
        api.requests.clear()
        assert client.collection("one").search("refunds", k=1)[0].source == "a"
        assert {one.body["dimensions"] for one in api.requests} == {256}
        client.collection().indexes.activate(made[0].id)
        assert client.collection("one").search("rate limits", k=1)[0].source == "b"
        assert api.requests[-1].body["input_type"] == "query"
    names = "select embedding_model from ragpg.index_health order by index_id"
    assert [name for (name,) in sql.execute(names)] == [MODELS[0], MODELS[1], f"{MODELS[0]}@256"]


@pytest.mark.parametrize("name", MODELS)
def test_from_the_command_line(
    api: EmbeddingServer, url: str, sql: psycopg.Connection, name: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "RAGPG_DATABASE_URL": url, "RAGPG_EMBEDDING_MODEL": name}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ragpg", *arguments],
            env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    done = run("add", str(ROOT / "ragpg" / "handbook"), "-c", "handbook", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] == 7
    done = run("search", "how long do refunds take", "-c", "handbook", "-k", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert any("refunds.md" in hit["source"] for hit in json.loads(done.stdout))
    assert "how long do refunds take" in texts_of(api.requests[-1].body)
    assert name in run("status", "--json").stdout
    done = run("model", "load")
    assert done.returncode == 1 and "is hosted, so the database cannot run it" in done.stderr
    # Plain SQL cannot ask an API: it searches by words, and says so when that is not what was meant.
    count = len(api.requests)
    found = sql.execute("select source from ragpg.search('how long do refunds take', k => 3)")
    assert any(source.endswith("refunds.md") for (source,) in found)
    with pytest.raises(psycopg.Error, match="mode vector needs a query embedding"):
        sql.execute("select * from ragpg.search('refunds', mode => 'vector')")
    assert len(api.requests) == count
