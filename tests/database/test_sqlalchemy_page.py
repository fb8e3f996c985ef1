"""docs/sqlalchemy.md, run as it stands, by the role whose name makes it hardest: ragpg."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.dialects import postgresql

from ragpg.database import known_versions
from ragpg.database.migrations import migrate

from ..conftest import ROOT, new_database

PAGE = (ROOT / "docs" / "sqlalchemy.md").read_text()
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def project(empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to follow the page in, with a database owned by a superuser called ragpg."""
    with psycopg.connect(empty_url, autocommit=True) as admin:
        if not admin.execute("select from pg_roles where rolname = 'ragpg'").fetchone():
            admin.execute("create role ragpg login superuser")
    monkeypatch.setenv("DATABASE_URL", empty_url.replace("postgres:@", "ragpg:@"))
    monkeypatch.setenv("HANDBOOK", str(ROOT / "ragpg" / "handbook"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    yield tmp_path


def run(folder: Path, command: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def follow(folder: Path) -> str:
    """Writes the page's files and runs its commands, in order; returns what they printed."""
    told = ""
    for language, block in BLOCKS:
        if language == "bash":
            told += run(folder, block)
        else:
            (folder / block.split("\n")[0].removeprefix("# ")).write_text(block)
    return told


def explained(connection: sqlalchemy.Connection, statement: Any) -> str:
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
    told = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return "\n".join(row[0] for row in connection.exec_driver_sql(f"explain {told}"))


def ragpg_tables(url: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return set(
            connection.execute(
                """
                select table_schema, table_name, column_name
                from information_schema.columns
                where table_schema = 'ragpg'
                """
            ).fetchall()
        )


def test_the_page(project: Path, server: str) -> None:
    """Long, because what follows stands on what the page's commands made."""
    told = follow(project)
    assert "7 added" in told
    assert re.search(r"^0\.\d\d \S*refunds\S* ", told, re.M), told
    assert "No new upgrade operations detected" in told
    (step,) = (project / "shop" / "versions").glob("*_bookmarks.py")
    assert re.findall(r"op\.\w+\('?\w*", step.read_text()) == [
        "op.create_table('bookmarks",
        "op.drop_table('bookmarks",
    ]

    url = os.environ["DATABASE_URL"]
    places = """
        select
            to_regclass('public.bookmarks') is not null,
            to_regclass('public.alembic_version') is not null,
            (select version_num from ragpg.alembic_version)
    """
    with psycopg.connect(url) as connection:
        assert connection.execute(places).fetchone() == (True, True, known_versions()[-1])
        theirs = connection.execute("select * from public.alembic_version").fetchall()
        connection.execute(
            "insert into public.bookmarks (document_id, note)"
            " select id, 'read' from ragpg.documents limit 1"
        )

    before = ragpg_tables(url)
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    for copy in new_database(server, str(name)):
        migrate(copy, "base")
        migrate(copy)
        # Partitions and views of a collection are made with it.
        assert ragpg_tables(copy) == {one for one in before if not one[1].startswith("chunks_")}
        with psycopg.connect(copy) as connection:
            assert connection.execute("select * from public.alembic_version").fetchall() == theirs
            assert connection.execute("select note from public.bookmarks").fetchall() == [("read",)]

    without_hook = project / "shop" / "env.py"
    without_hook.write_text(
        without_hook.read_text().replace("        include_name=include_name,\n", "")
    )
    refused = subprocess.run(["alembic", "check"], cwd=project, capture_output=True, text=True)
    assert refused.returncode != 0 and "remove_table" in refused.stdout + refused.stderr

    nearest = runpy.run_path(str(project / "nearest.py"))["nearest"]
    engine = sqlalchemy.create_engine(url)
    with sqlalchemy.orm.Session(engine) as session:
        # Seven documents are sooner read and sorted than looked up.
        session.execute(sqlalchemy.text("set enable_seqscan = off"))
        session.execute(sqlalchemy.text("set enable_sort = off"))
        statement = nearest(session, "handbook", "refunds", 3)
        plan = explained(session.connection(), statement)
        assert "chunks_1_embedding_hnsw" in plan and "Seq Scan on chunks_1" not in plan
    engine.dispose()
