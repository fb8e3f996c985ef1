"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

import ragpg
from ragpg.ui.app import make_app

from ..conftest import WordEmbedder
from .pages import EVIL, LIMITS, REFUNDS


@pytest.fixture
def filled(url: str, words: WordEmbedder) -> None:
    with ragpg.connect(url, embedder=words) as client:
        pages = client.collection("pages")
        pages.add(text=REFUNDS, source="refunds.md", metadata={"tier": "free"})
        pages.add(text=LIMITS, source=f"limits{EVIL}.md", metadata={"tier": "pro", "by": EVIL})


@pytest.fixture
def reading(url: str, words: WordEmbedder) -> Iterator[ragpg.Client]:
    with ragpg.connect(url, embedder=words, read_only=True) as client:
        yield client


@pytest.fixture
def page(reading: ragpg.Client) -> TestClient:
    return TestClient(make_app(reading), base_url="http://127.0.0.1:8642")
