"""Fixtures of this folder: a collection whose questions take two look-ups, and a scripted model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ragpg
from ragpg.models import make_client

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer
from .texts import TEXTS


@pytest.fixture
def claude() -> Iterator[MessagesServer]:
    with MessagesServer() as server:
        yield server


@pytest.fixture
def firm_client(url: str, words: WordEmbedder, claude: MessagesServer) -> Iterator[ragpg.Client]:
    anthropic_client = make_client(api_key="test", base_url=claude.url, max_retries=1)
    with ragpg.connect(url, embedder=words, anthropic_client=anthropic_client) as client:
        yield client


@pytest.fixture
def firm(firm_client: ragpg.Client) -> ragpg.Collection:
    """A firm's documents, and beside them a collection of secrets."""
    firm = firm_client.collection("firm")
    for source, (text, metadata) in TEXTS.items():
        firm.add(text=text, source=source, metadata=metadata)
    firm_client.collection("secrets").add(
        text="The launch code of the rocket is 0000.", source="codes.md"
    )
    return firm
