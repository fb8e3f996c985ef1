"""What the tests of evaluation and calibration share."""

from __future__ import annotations

import random
from typing import Any

import psycopg

from ..conftest import WordEmbedder

Sql = psycopg.Connection[Any]


AXES = WordEmbedder.axes


def sentence(drawn: random.Random, number: int) -> str:
    words = drawn.choices([*AXES, "the", "is", "told", "here", "plan"], k=8)
    return f"Item {number} {' '.join(words)}."
