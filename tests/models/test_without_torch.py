"""Your own vectors, hosted models and plain functions work where no model can be imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.models import FunctionEmbedder
from ragpg.models.hosted import estimated_token_starts

from ..conftest import ROOT, WordEmbedder
from ..servers.embedding import EmbeddingServer

# Imports fail as where the packages are not installed.
BEGIN = """
import sys
from importlib.abc import MetaPathFinder
class Refuses(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "sentence_transformers", "transformers", "tokenizers"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuses())
import ragpg
client = ragpg.connect()
notes = client.collection("notes")
"""
PAGE = "# Refunds\n\nMoney is returned within five days.\n\n# Limits\n\nThe rate limit is ten.\n"


def run(script: str, url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs what follows BEGIN in a process that has no library of models."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script],
        env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


def printed(script: str, url: str, **environment: str) -> list[str]:
    done = run(script, url, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


FUNCTION = """
def embed(texts):
    return [[text.lower().count(word) + 0.1 for word in ("money", "rate", "day")] for text in texts]
client = ragpg.connect(embedder=embed)
notes = client.collection("notes")
"""


def test_a_plain_function(url: str) -> None:
    added = f"print(notes.add(text={PAGE!r}, source='page', media_type='text/markdown').added)"
    asked = (
        "print(notes.search('money', 1)[0].content); print(notes.ask('Is money returned?').text)"
    )
    assert printed(FUNCTION + added, url) == ["1"]
    found = "\n".join(printed(FUNCTION + asked, url))  # another process, another function object
    assert found.count("five days") == 2


def test_records_that_bring_their_embeddings(url: str, sql: psycopg.Connection) -> None:
    records = [
        {"text": "Money is returned.", "source": "a", "embedding": [1.0, 0.0]},
        {"text": "The rate is ten.", "source": "b", "embedding": [0.0, 1.0]},
    ]
    assert printed(f"print(notes.add(records={records}))", url)[0].startswith("AddReport(added=2")
    more = [{"text": "A fee.", "source": "c", "embedding": [0.1, 0.9]}]
    script = (
        f"print(notes.add(records={more}).added)\n"
        "for one in notes.search('?', 3, mode='vector', query_embedding=[0, 1]): print(one.source)\n"
        "print(notes.search('money', 1)[0].source)\n"
        "print(notes.add(text='No embedding.', source='d').failures)"
    )
    done = run(script, url)
    assert done.stdout.splitlines() == ["1", "b", "c", "a", "a"]  # and then
    assert "EmbeddingError: sentence-transformers cannot be imported" in done.stderr
    told = sql.execute("select embedding_model from ragpg.index_health").fetchall()
    assert told == [("given/records@2",)]
    with ragpg.connect(url) as client:  # where the configured model can be imported, it is not used
        assert client.collection("notes").search("rate", 1)[0].source == "b"


def test_hosted_models_and_the_command_line(url: str) -> None:
    with EmbeddingServer() as api:
        given = {**api.environment(), "RAGPG_EMBEDDING_MODEL": "openai/text-embedding-3-small"}
        script = f"""
from ragpg.cli import main
notes.add(text={PAGE!r}, source="page")
sys.argv = ["ragpg", "search", "money", "--collection", "notes", "-k", "1", "--json"]
main()
"""
        assert '"source": "page"' in "\n".join(printed(script, url, **given))
    assert len(api.requests) >= 2


def test_the_default_model_says_what_is_missing(url: str) -> None:
    done = run("notes.add(text='A page.', source='page')", url)
    assert done.returncode == 1
    assert "EmbeddingError: sentence-transformers cannot be imported" in done.stderr
    assert "embedder=" in done.stderr


class Service:
    """What LangChain's Embeddings look like, and what a function may tell beside."""

    model = "small-3"
    max_tokens = 100
    seen: list[str]

    def __init__(self) -> None:
        self.seen = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.seen += texts
        return [[3.0, 4.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return [0.0, 2.0]


def test_what_a_function_can_tell_is_asked_of_it(url: str) -> None:
    for given in (Service(), Service().embed_documents):
        with ragpg.connect(url, embedder=given) as client:  # type: ignore[arg-type]
            embedder = client.session.embedder
            assert (embedder.provider, embedder.name) == ("function", "small-3")
            assert embedder.max_tokens == 50  # tokens are estimated: half the window
            np.testing.assert_allclose(embedder.embed_documents(["a"]), [[0.6, 0.8]], rtol=1e-6)
            np.testing.assert_allclose(embedder.embed_query("a"), [0, 1])


def test_where_it_cannot_tell_sizes_are_safe() -> None:
    words = WordEmbedder()
    plain = FunctionEmbedder(lambda texts: words.embed_documents(texts))
    assert (plain.name, plain.max_tokens) == ("function", 256)  # of the 512 most models have
    assert plain.token_starts("Refunds take days.") == estimated_token_starts("Refunds take days.")

    def told(texts: Sequence[str]) -> Any:
        return words.embed_documents(texts)

    vars(told).update(name="words", max_tokens=60, token_starts=words.token_starts)
    own = FunctionEmbedder(told)
    assert (own.name, own.max_tokens) == ("words", 60)
    assert own.token_starts("Refunds take days.") == words.token_starts("Refunds take days.")
    heard: list[int] = []
    found = own.embed_documents([f"refund {n}" for n in range(150)], heard.append)
    assert found.shape == (150, words.dimensions) and heard == [64, 64, 22]
    assert own.embed_documents([]).shape[0] == 0


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda texts: [[1.0]], r"shape \(1, 1\) for 2 texts"),
        (lambda texts: [1.0, 2.0], r"shape \(2,\) for 2 texts"),
        (lambda texts: [[1.0], [1.0, 2.0]], "no rows of numbers"),
        (lambda texts: ["a", "b"], "no rows of numbers"),
        (lambda texts: None, "no rows of numbers|shape"),
        (lambda texts: [[0.0, 0.0], [1.0, 0.0]], "without direction"),
        (lambda texts: [[float("nan")], [1.0]], "without direction"),
        (lambda texts: 1 / 0, r"ZeroDivisionError\('division by zero'\)"),
    ],
)
def test_what_it_does_wrong_is_told(function: Any, told: str) -> None:
    with pytest.raises(errors.EmbeddingError, match=told):
        FunctionEmbedder(function).embed_documents(["one", "two"])


def test_another_function_is_refused(url: str) -> None:
    with ragpg.connect(url, embedder=lambda texts: [[1.0, 0.1] for _ in texts]) as client:
        assert client.collection("notes").add(text="A page.", source="page").added == 1
    with (
        ragpg.connect(url, embedder=lambda texts: [[0.1, 1.0] for _ in texts]) as client,
        pytest.raises(errors.ModelMismatch, match='the model "function" gives another embedding'),
    ):
        client.collection("notes").search("page")
    with pytest.raises(errors.BadArgument, match="embedder is 5: give a function of texts"):
        ragpg.connect(url, embedder=5)  # type: ignore[arg-type]


def test_a_second_index_by_a_function(client: ragpg.Client) -> None:
    notes = client.collection("notes")
    notes.add(text="Money is returned.", source="page")
    index = notes.indexes.create(model=lambda texts: [[len(text), 1.0] for text in texts])
    assert notes.indexes.fill(index.id).indexed == 1
    assert notes.search("money", 1, index_id=index.id)[0].source == "page"


def test_embeddings_given_by_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGPG_EMBEDDING_MODEL", "given/mine@3")
    with ragpg.connect(url) as client:
        notes = client.collection("notes")
        report = notes.add(records=[{"text": "A", "source": "a", "embedding": [1, 2, 3]}])
        assert report.added == 1
        assert notes.search("?", 1, query_embedding=[1, 2, 3])[0].similarity == pytest.approx(
            1, abs=1e-3
        )
    with pytest.raises(errors.SettingsError, match="needs its dimensions: given/mine@384"):
        ragpg.open_embedder("given/mine")


def test_the_example_of_the_page_runs(url: str) -> None:
    page = (ROOT / "docs/models.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert printed("client.close()\n" + example, url) == ["refunds"]
