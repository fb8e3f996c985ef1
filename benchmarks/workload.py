"""The rows and questions of filters.py, search.py and scale.py, and what is right among them.

Rows are made from real texts: abstracts of scifact with their real embeddings, repeated to the
number asked for with half of their sentences and normal noise of .6 / sqrt(dimensions) on each
number of the embedding.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ragpg.models import SentenceTransformerEmbedder

DIMENSIONS = 384
# Value of the metadata key "part", and the share of the rows that have it.
PARTS = {"thousandth": 0.001, "hundredth": 0.01, "tenth": 0.1, "half": 0.5}
Found = list[str]  # keys of rows, best first


@dataclass(frozen=True)
class Condition:
    """What a filter asks of one value of the metadata."""

    key: str
    operator: Literal["==", "<"]
    value: str | int


@dataclass(frozen=True)
class Rows:
    keys: list[str]
    texts: list[str]
    metadata: list[dict[str, str | int]]
    embeddings: Any  # (n, 384) float32, each of length 1

    def passing(self, where: Condition | None) -> Any:
        """Returns for each row whether it passes, (n,) bool."""
        if where is None:
            return np.ones(len(self.keys), bool)
        values = np.array([one[where.key] for one in self.metadata])
        return values == where.value if where.operator == "==" else values < where.value


@dataclass(frozen=True)
class Question:
    text: str
    embedding: Any  # (384,) float32


def read(data: Path, count: int, questions: int, cache: Path) -> tuple[Rows, list[Question]]:
    """Returns rows and questions; the same for the same numbers. Embeddings are kept in `cache`."""
    folder = data / "scifact"
    lines = gzip.decompress((folder / "corpus.jsonl.gz").read_bytes()).decode().split("\n")
    abstracts = [json.loads(line)["text"] for line in lines if line]
    asked = [
        json.loads(line)["text"]
        for line in (folder / "queries_train.jsonl").read_text().split("\n")
        if line
    ][:questions]
    if cache.exists():
        embedded = np.load(cache)
    else:
        model = SentenceTransformerEmbedder()
        embedded = np.stack(
            [*model.embed_documents(abstracts), *(model.embed_query(text) for text in asked)]
        )
        np.save(cache, embedded)
    rng = np.random.default_rng(7)
    chosen = random.Random(7)
    number = np.arange(count) % len(abstracts)
    base = embedded[: len(abstracts)][number]
    noise = rng.standard_normal((count, DIMENSIONS), np.float32) * (0.6 / DIMENSIONS**0.5)
    vectors = (base + noise).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sentences = [re.split(r"(?<=[.?!]) ", text) for text in abstracts]
    texts = [
        " ".join(one for one in sentences[n] if chosen.random() < 0.5) or sentences[n][0]
        for n in number
    ]
    parts = rng.choice([*PARTS, "rest"], count, p=[*PARTS.values(), 1 - sum(PARTS.values())])
    metadata: list[dict[str, str | int]] = [{"part": str(part)} for part in parts]
    rows = Rows([f"row-{n}" for n in range(count)], texts, metadata, vectors)
    return rows, [
        Question(text, embedding.astype(np.float32))
        for text, embedding in zip(asked, embedded[len(abstracts) :], strict=True)
    ]


def slices(count: int, size: int = 1000) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def cluster(rows: Rows, count: int) -> tuple[Any, Any]:
    """Returns each row's cluster, (n,) int, and the centres: k-means, 10 rounds on cosine."""
    embeddings = rows.embeddings
    rng = np.random.default_rng(count)
    centres = embeddings[rng.choice(len(embeddings), count, replace=False)]
    nearest = np.zeros(len(embeddings), int)
    for _ in range(10):
        nearest = np.argmax(embeddings @ centres.T, axis=1)
        for one in range(count):
            if (nearest == one).any():
                centres[one] = embeddings[nearest == one].mean(0)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return nearest, centres


def truth(
    rows: Rows, questions: Sequence[Question], k: int, where: Condition | None
) -> list[float]:
    """Returns the similarity of the k-th nearest row to each question, by brute force."""
    chosen = rows.passing(where)
    similarity = rows.embeddings[chosen] @ np.stack([q.embedding for q in questions]).T
    return [float(x) for x in np.sort(similarity, axis=0)[-min(k, chosen.sum())]]


def recall(rows: Rows, found: Found, question: Question, least: float, k: int) -> float:
    """Returns the share of k that was found, of rows as near as the k-th nearest one."""
    numbers = [int(key.removeprefix("row-")) for key in found]
    similar = rows.embeddings[numbers] @ question.embedding if numbers else np.zeros(0)
    return float((similar >= least - 5e-4).sum()) / k  # halfvec rounds to three digits
