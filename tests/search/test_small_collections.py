"""A few documents are the first that anybody has: meaning counts among them as among many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import ragpg
from ragpg.models import Vectors

from ..conftest import WordEmbedder


class Meaning(WordEmbedder):
    """Knows how near each text is to the question, which shares no word with any."""

    def embed_documents(self, texts: Sequence[str], progress: object = None) -> Vectors:
        angles = [float(text.rsplit(" ", 1)[-1]) if text[-1:].isdigit() else 1.5 for text in texts]
        return np.array([[np.cos(one), np.sin(one)] for one in angles], np.float32)

    def embed_query(self, text: str) -> Vectors:
        return np.array([1, 0], np.float32)


@pytest.mark.parametrize("count", [2, 4, 12, 40, 250])
def test_what_no_word_finds_is_ordered_by_meaning(url: str, count: int) -> None:
    with ragpg.connect(url, embedder=Meaning()) as client:
        held = client.collection("few")
        angles = [0.2 + 1.2 * ((7 * n + 3) % count) / count for n in range(count)]
        held.add(
            records=[
                {"source": f"{n}", "text": f"plant {angle:.4f}", "media_type": "text/plain"}
                for n, angle in enumerate(angles)
            ]
        )
        nearest = [str(n) for n in np.argsort(angles)[:10]]
        assert [hit.source for hit in held.search("avian pests", k=10)] == nearest[:count]


def test_among_few_meaning_and_words_both_count(url: str) -> None:
    """None of four chunks can stand out: all of the weight went to the words, "what" among them."""
    with ragpg.connect(url, embedder=Meaning()) as client:
        held = client.collection("few")
        texts = ("whatever plant 1.4", "what grows 1.3", "what blooms 0.1", "what rots 1.2")
        held.add(records=[{"source": one, "text": one} for one in texts])
        assert held.search("pests, what helps", k=1)[0].source == "what blooms 0.1"
