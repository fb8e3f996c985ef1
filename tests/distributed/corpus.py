"""Texts of a few words, the same each time, and what is found of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import ragpg

WORDS = ("refund", "money", "rate", "limit", "login", "password", "card", "day", "mail", "key")
QUESTIONS = ("refund of money", "the rate limit", "login with a password", "uptime of a card")
FILTERS = (None, "$.tier == 1", "$.number < 40", '$.tier >= 1 && $.name starts with "t1"')


def fill(client: ragpg.Client, documents: int) -> None:
    """Adds so many documents of one chunk, in an order that gives each the same id."""
    drawn = np.random.default_rng(7)
    records = [
        {
            "text": " ".join(drawn.choice(WORDS, drawn.integers(5, 30))) + f" item{number}",
            "source": f"text-{number}",
            "metadata": {"tier": number % 3, "number": number, "name": f"t{number}"},
        }
        for number in range(documents)
    ]
    client.collection("texts").add(records=records)


def found(client: ragpg.Client, k: int = 7) -> dict[str, list[Any]]:
    """Returns places, sources and scores of hits in all modes, with and without filters."""
    collection = client.collection("texts")
    return {
        f"{question}, {mode}, {condition}": [
            (hit.place, hit.source, round(hit.score, 6), hit.content)
            for hit in collection.search(question, k=k, mode=mode, filter=condition)
        ]
        for question in QUESTIONS
        for mode in ("hybrid", "vector", "keyword")
        for condition in FILTERS
    }
