"""The first `ragpg add`, without `init` before it."""

from __future__ import annotations

from pathlib import Path

import psycopg

from ragpg.database import embedded

from .test_cli import Shell


def test_the_first_add_loads_the_model_once(home: Path, tmp_path: Path) -> None:
    shell = Shell(home)
    (tmp_path / "a.md").write_text("Refunds take five days.")
    first = shell("add", str(tmp_path))
    assert first.returncode == 0, first.stderr
    assert "the new database: questions are embedded in SQL by all-MiniLM-L6-v2" in first.stderr
    again = shell("add", str(tmp_path))
    assert "embedded in SQL" not in again.stderr
    with psycopg.connect(embedded.start(home)) as connection:
        found = connection.execute(
            "select verified, (select count(*) from ragpg.search('refund')) from ragpg.encoder_status"
        ).fetchall()
    assert found == [(True, 1)]
