"""Fixtures of this folder."""

from __future__ import annotations

import pytest

import ragpg

from .larger import PAGES


@pytest.fixture
def handbook(client: ragpg.Client) -> ragpg.Collection:
    collection = client.collection("handbook")
    collection.add(
        records=[
            {
                "text": text,
                "source": name,
                "media_type": "text/plain",
                "metadata": {"length": len(text), "tags": [name], "tier": "pro"},
            }
            for name, text in PAGES.items()
        ]
    )
    return collection
