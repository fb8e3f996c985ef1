"""Fixtures of this folder."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import ragpg

from .evaluating import sentence


@pytest.fixture
def asked(client: ragpg.Client, tmp_path: Path) -> tuple[ragpg.Collection, list[dict[str, Any]]]:
    """Forty documents, and thirty questions whose answers are one to three of their sentences."""
    drawn = random.Random(4)
    texts = {
        f"d{n}.md": "\n\n".join(sentence(drawn, 100 * n + m) for m in range(12)) for n in range(40)
    }
    collection = client.collection("docs")
    collection.add(
        records=[{"source": source, "text": text} for source, text in texts.items()],
        chunk_tokens=30,
    )
    questions = []
    for number in range(30):
        labels = []
        for _ in range(drawn.randint(1, 3)):
            source = drawn.choice(list(texts))
            labels.append({"source": source, "quote": drawn.choice(texts[source].split("\n\n"))})
        word = drawn.choice(labels)["quote"].split()[2:6]
        questions.append({"question": f"{number} {' '.join(word)}", "labels": labels})
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in questions))
    assert collection.evaluation.load(path) == 30
    return collection, questions
