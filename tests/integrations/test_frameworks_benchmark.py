"""benchmarks/frameworks.py, small: the adapters, and Haystack's own store beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import filters, frameworks, stores
from benchmarks.workload import DIMENSIONS, PARTS, Question, Rows

ROWS = 300


@pytest.mark.parametrize(
    "make",
    [
        frameworks.RagpgLangchain,
        frameworks.RagpgLlamaIndex,
        frameworks.RagpgHaystack,
        frameworks.HaystackHnsw,
    ],
)
def test_every_store_of_a_framework_finds_the_nearest(empty_url: str, make: Any) -> None:
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((ROWS, DIMENSIONS), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    parts: list[dict[str, str | int]] = [{"part": [*PARTS, "rest"][n % 5]} for n in range(ROWS)]
    keys, texts = [f"row-{n}" for n in range(ROWS)], [f"text {n}" for n in range(ROWS)]
    rows = Rows(keys, texts, parts, vectors)
    questions = [Question(f"question {n}", vectors[n]) for n in range(6)]
    store, _ = stores.load(empty_url, rows, make, Console(quiet=True))
    measured = {
        case: filters.measure(store, rows, asked)
        for case, asked in filters.shares(questions).items()
    }
    held: Any = store
    (held.store.close if hasattr(held.store, "close") else held.store.client.close)()
    ours = make is not frameworks.HaystackHnsw
    for share, found in measured.items():
        assert found["recall"] > 0.9 or not (ours or share == "no filter"), share
        assert found["fewest"] == 10 or not ours, share
