"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ragpg

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer
from .situating import TEXTS


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    with MessagesServer() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@pytest.fixture
def docs(url: str, api: MessagesServer, words: WordEmbedder) -> Iterator[ragpg.Collection]:
    with ragpg.connect(url, embedder=words) as client:
        docs = client.collection("docs")
        docs.add(records=[{"source": s, "title": s[:-3], "text": t} for s, t in TEXTS.items()])
        yield docs
