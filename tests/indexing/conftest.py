"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ragpg
from ragpg.reading import website

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer
from ..servers.pages import PagesServer
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


@pytest.fixture
def pages(client: ragpg.Client) -> ragpg.Collection:
    return client.collection("pages")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[PagesServer]:
    """A web server in the local network, which may be read, and need not be waited for."""
    monkeypatch.setenv("RAGPG_LOCAL_ADDRESSES", "1")
    monkeypatch.setattr(website, "_PAUSE", 0.0)
    with PagesServer() as server:
        yield server
