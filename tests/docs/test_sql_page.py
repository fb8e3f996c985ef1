"""docs/sql.md is what the catalogue says, and every example on it runs."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from docs import generate

from .test_readme import run


def test_the_page_is_up_to_date(sql: psycopg.Connection) -> None:
    assert generate.page(sql) == generate.PAGE.read_text(), "run make docs"


def test_the_examples_are_of_what_there_is(sql: psycopg.Connection) -> None:
    text = generate.page(sql)
    shown = set(re.findall(r"^### ragpg\.(\w+)", text, re.M))
    assert set(generate.examples()) <= shown
    assert {"search", "verify", "put_document", "health_problems", "ingest_queue"} <= shown


@pytest.fixture(scope="module")
def populated(server_home: Path) -> str:
    """The URL of a database with the handbook, its questions, and the real model."""
    run(server_home, "ragpg", "init")
    run(server_home, "ragpg", "add", "ragpg/handbook", "--collection", "handbook")
    run(server_home, "ragpg", "eval", "load", "evals/handbook.jsonl", "-c", "handbook")
    run(server_home, "ragpg", "eval", "run", "-c", "handbook")
    return run(server_home, "ragpg", "db", "url").strip()


def test_every_example_runs(populated: str) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", generate.PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 40
    with psycopg.connect(populated) as connection:
        for block in blocks:
            cursor = connection.execute(block.encode())
            while cursor.nextset():
                pass
            if "ragpg.search(" in block:
                assert cursor.rowcount > 0, block
            connection.rollback()
