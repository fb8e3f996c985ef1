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


def test_it_shows_all_that_a_person_calls(sql: psycopg.Connection) -> None:
    rows = sql.execute(
        """
        select proname from pg_proc where pronamespace = 'ragpg'::regnamespace
        union all
        select relname from pg_class where relnamespace = 'ragpg'::regnamespace and relkind = 'v'
        """
    ).fetchall()
    shown = [name for _, examples in generate.sections() for name in examples]
    assert sorted(shown) == sorted(name for (name,) in rows)


@pytest.fixture
def populated(initialised: Path) -> str:
    """The URL of a database with the handbook, its questions, and the real model."""
    run(initialised, "ragpg", "examples")
    run(initialised, "ragpg", "add", "handbook", "--collection", "handbook")
    run(initialised, "ragpg", "eval", "load", "handbook.jsonl", "-c", "handbook")
    run(initialised, "ragpg", "eval", "run", "-c", "handbook")
    return run(initialised, "ragpg", "db", "url").strip()


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
