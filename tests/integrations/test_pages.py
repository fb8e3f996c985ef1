"""The scripts of the frameworks' pages, taken from their tutorials, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM

from ..conftest import ROOT, WordEmbedder
from ..servers.embedding import EmbeddingServer
from .test_importing import Words, tables

__all__ = ["tables"]


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def ran(script: str, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """Returns what the script leaves behind, and what it printed."""
    printed: list[str] = []
    found = {**given, "print": lambda *said: printed.append(" ".join(map(str, said)))}
    exec(script, found)
    return found, printed


def test_langchain(url: str, tables: psycopg.Connection) -> None:
    page = (ROOT / "docs/langchain.md").read_text()
    assert page.split("\n", 2)[2].lstrip().startswith("You have this code: change these lines")
    tables.execute("update langchain_pg_collection set name = 'my_docs' where name = 'my docs'")
    script = next(one for one in blocks("langchain.md") if "there are cats" in one)
    found, printed = ran(script, embeddings=Words(), url=url)
    assert sorted(printed[:-1]) == [
        "* ducks are also in the pond [{'id': 2, 'location': 'pond'}]",
        "* there are cats in the pond [{'id': 1, 'location': 'pond'}]",
    ]
    assert len(found["vector_store"].collection.documents()) == 2
    whole, _ = ran("".join(blocks("langchain.md")), embeddings=Words(), url=url)
    assert whole["documents"][0].metadata["ragpg"]["source"]
    moved = tables.execute(
        "select source from ragpg.document_status where collection = 'moved' order by 1"
    )
    assert moved.fetchall() == [("id0",), ("id1",), ("id2",)]


class WideWords(BaseEmbedding):
    """The hand-checkable embedder, of as many dimensions as the tutorial's model."""

    def _get_text_embedding(self, text: str) -> list[float]:
        wide = np.zeros(1536)
        wide[: WordEmbedder.dimensions] = WordEmbedder().embed_query(text)
        return [float(one) for one in wide]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def test_llamaindex(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "paul_graham"
    folder.mkdir(parents=True)
    (folder / "essay.txt").write_text("The author wrote about money, and painted in the 1980s.")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Settings, "_embed_model", WideWords())
    monkeypatch.setattr(Settings, "_llm", MockLLM())
    script = next(one for one in blocks("llamaindex.md") if "paul_graham" in one)
    found, printed = ran(script, url=url)
    assert all("painted in the 1980s" in answer for answer in printed[1:]) and len(printed) == 3
    store = found["vector_store"]
    assert f"Document ID: {store.get_nodes()[0].ref_doc_id}" == printed[0]
    store.client.close()


def test_haystack(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    script = next(one for one in blocks("haystack.md") if "7,000 languages" in one)
    with EmbeddingServer() as api:
        for variable, value in api.environment().items():
            monkeypatch.setenv(variable, value)
        found, printed = ran(script)
        again, _ = ran(script)  # OVERWRITE
        asked = found["query_pipeline"].get_component("text_embedder")
        question = np.array(asked.run("How many languages are there?")["embedding"])
    near = max(found["embedded"]["documents"], key=lambda one: float(one.embedding @ question))
    assert f"id={near.id}" in printed[0] and "score: " in printed[0]
    assert again["document_store"].count_documents() == 3
    for one in (found, again):
        one["document_store"].client.close()
