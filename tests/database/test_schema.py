"""The steps give exactly sql/; down undoes up; names and comments; released steps are frozen."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator

import psycopg
import pytest

from ragpg import errors
from ragpg.database import known_versions
from ragpg.database.migrations import migrate

from ..catalogue import catalogue
from ..conftest import ROOT

SQL = sorted((ROOT / "sql").rglob("*.sql"), key=lambda path: path.stem)
GOLDEN = ROOT / "tests" / "golden" / "catalogue.sql"
FROZEN = ROOT / "tests" / "golden" / "released_steps.sha256"


# Tables without a model: nobody joins them by hand.
FOR_FUNCTIONS_ALONE = {
    *("alembic_version", "tenant_roles", "encoders", "encoder_vocabulary", "encoder_embeddings"),
    *("encoder_positions", "encoder_layers", "encoder_weights", "query_embeddings"),
    *("index_statistics", "lexeme_statistics", "context_batches", "chunk_contexts"),
    *("recall_measurements", "finetune_jobs", "document_values"),
}


@pytest.fixture
def fresh(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url) as connection:
        yield connection


def test_the_steps_give_exactly_what_sql_says(fresh: psycopg.Connection) -> None:
    before = catalogue(fresh)
    for path in SQL:
        fresh.execute(path.read_bytes())
    assert catalogue(fresh) == before, "sql/ and the steps differ: write a step (CONTRIBUTING)"
    fresh.rollback()


def test_sql_holds_every_function_and_view(fresh: psycopg.Connection) -> None:
    rows = fresh.execute(
        """
        select proname from pg_proc where pronamespace::regnamespace::text like 'ragpg%'
        union all
        select relname from pg_class where relnamespace::regnamespace::text like 'ragpg%' and relkind = 'v'
        """
    ).fetchall()
    # ragpg's own names for functions of pgvector, made by a step of what it finds there.
    pgvectors = {"l2_normalize", "subvector", "sum", "vector_dims", "vector_norm"}
    held = sorted(name for (name,) in rows if name not in pgvectors)
    assert held == sorted(path.stem for path in SQL)


def test_the_catalogue_is_the_committed_one(fresh: psycopg.Connection) -> None:
    found = catalogue(fresh)
    if not GOLDEN.exists() or found != GOLDEN.read_text():
        GOLDEN.with_suffix(".found.sql").write_text(found)
    assert found == GOLDEN.read_text(), (
        "the schema changed: read tests/golden/catalogue.found.sql and make it catalogue.sql"
    )
    GOLDEN.with_suffix(".found.sql").unlink(missing_ok=True)


def test_down_undoes_up_at_every_step(empty_url: str) -> None:
    states = []
    for version in ["base", *known_versions()]:
        if version != "base":
            migrate(empty_url, version)
        else:  # what a first step stands on: extension, schema, version table
            migrate(empty_url, known_versions()[0])
            migrate(empty_url, "base")
        states.append((version, _snapshot(empty_url)))
    for version, state in reversed(states[:-1]):
        migrate(empty_url, version)
        assert _snapshot(empty_url) == state, f"down to {version} left something"


def _snapshot(url: str) -> str:
    with psycopg.connect(url) as connection:
        return catalogue(connection)


def test_released_steps_are_frozen() -> None:
    for expected, name in (line.split() for line in FROZEN.read_text().splitlines()):
        path = ROOT / "migrations" / "versions" / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == expected, (
            f"{name} was released: databases hold its result. Write a new step instead"
        )


def test_every_object_has_a_comment(fresh: psycopg.Connection) -> None:
    rows = fresh.execute(
        """
        select 'function ' || oid::regprocedure
        from pg_proc
        where pronamespace::regnamespace::text like 'ragpg%' and obj_description(oid, 'pg_proc') is null
        union all
        select 'relation ' || oid::regclass
        from pg_class
        where relnamespace::regnamespace::text like 'ragpg%' and relkind in ('r', 'p', 'v', 'i', 'I')
            and relname not like 'alembic_version%'
            and obj_description(oid, 'pg_class') is null
            and not exists (select from pg_constraint where conindid = pg_class.oid)
        union all
        select format('column %s.%s', attrelid::regclass, attname)
        from pg_attribute
        join pg_class on pg_class.oid = attrelid
        where relnamespace::regnamespace::text like 'ragpg%' and relkind in ('r', 'p', 'v', 'c') and attnum > 0
            and relname not like 'alembic_version%'
            and not attisdropped and col_description(attrelid, attnum) is null
        union all
        select 'trigger ' || tgname
        from pg_trigger
        join pg_class on pg_class.oid = tgrelid
        where relnamespace::regnamespace::text like 'ragpg%' and not tgisinternal
            and obj_description(pg_trigger.oid, 'pg_trigger') is null
        """
    ).fetchall()
    assert [name for (name,) in rows] == []


def test_names_follow_the_rule(fresh: psycopg.Connection) -> None:
    """Constraints: <table>_<what must hold>; indexes: <table>_<columns>_<method>."""
    constraints = fresh.execute(
        """
        select relname, conname
        from pg_constraint
        join pg_class on pg_class.oid = conrelid
        where connamespace::regnamespace::text like 'ragpg%' and contype <> 'n'
            and relname not like 'alembic_version%'
        """
    ).fetchall()
    assert constraints
    assert [name for table, name in constraints if not name.startswith(f"{table}_")] == []
    indexes = fresh.execute(
        """
        select tab.relname, ind.relname, am.amname
        from pg_index
        join pg_class as ind on ind.oid = indexrelid
        join pg_class as tab on tab.oid = indrelid
        join pg_am as am on am.oid = ind.relam
        where tab.relnamespace::regnamespace::text like 'ragpg%'
            and tab.relname not like 'alembic_version%'
            and not exists (select from pg_constraint where conindid = ind.oid)
        """
    ).fetchall()
    bad = [i for table, i, method in indexes if not re.fullmatch(f"{table}_.+_{method}", i)]
    assert indexes and bad == []


def test_the_models_are_the_tables(url: str) -> None:
    import sqlalchemy
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from ragpg.database.tables import Base

    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "compare_type": True,
                "include_name": lambda name, kind, parents: (
                    name == "ragpg" if kind == "schema" else name not in FOR_FUNCTIONS_ALONE
                ),
            },
        )
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    flat = [one for entry in found for one in (entry if isinstance(entry, list) else [entry])]
    # Comments, indexes and constraints live in the database alone.
    assert [one for one in flat if not re.search("comment|index|constraint", one[0])] == []


def test_a_function_per_file_and_no_templating() -> None:
    for path in SQL:
        text = path.read_text()
        made = re.findall(r"^create or replace (?:function|view) (ragpg\w*)\.(\w+)", text, re.M)
        assert [name for _, name in made] == [path.stem], path
        assert text.startswith("-- "), f"{path} does not begin with the question it answers"
        assert "{{" not in text, path
        long = [
            line
            for line in text.splitlines()
            if len(line) > 100 and not re.match("comment on|.*'", line)
        ]
        assert long == [], path


def test_security_definer_comes_with_a_reason_and_a_search_path() -> None:
    for path in SQL:
        text = path.read_text()
        code = re.sub(r"--.*", "", text)
        if re.search(r"^security definer$", code, re.M):
            assert "-- Security definer:" in text and "set search_path" in text, path
            everybody = "Everybody may call it" in text
            assert everybody or "revoke execute on function" in text, path


def test_error_codes_are_the_same_in_sql_and_python() -> None:
    raised = {code for path in SQL for code in re.findall(r"errcode = '(RG\d+)'", path.read_text())}
    known = {code for code in errors.by_sqlstate() if code.startswith("RG")}
    assert raised == known


def test_no_sql_is_built_from_strings_in_python() -> None:
    statement = re.compile(r"^\s*(select|insert|update|delete|create|drop|alter|with)\s", re.I)
    for path in (ROOT / "ragpg").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                start = str(node.values[0].value)
                allowed = path.name == "embedded.py" and start.startswith("create database")
                assert allowed or not statement.match(start), f"{path}:{node.lineno}"


def test_queries_are_used_and_named_once() -> None:
    sources = [path.read_text() for path in (ROOT / "ragpg").rglob("*.py")]
    names = [
        name
        for path in (ROOT / "ragpg").rglob("*queries.py")
        for name in re.findall(r"^([A-Z_]+): LiteralString = ", path.read_text(), re.M)
    ]
    assert len(names) == len(set(names)) > 100
    assert [name for name in names if not any(f"queries.{name}" in text for text in sources)] == []
