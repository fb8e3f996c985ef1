"""Writes docs/sql.md from the comments in the catalogue and the examples in docs/sql_examples.sql.

python -m docs.generate DATABASE_URL
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

PAGE = Path(__file__).with_name("sql.md")
EXAMPLES = Path(__file__).with_name("sql_examples.sql")

_HEAD = """# The SQL surface

Every function and view a person calls, in the order in which one meets them, each with an example
that a test runs. Generated from the comments in the database by `make docs`; `\\df+ ragpg.*` and
`\\d+ ragpg.*` show the same. What these stand on is in the schema `ragpg_internal` and no promise.
Where to begin: [psql only](psql.md).
"""
_FUNCTIONS = """
select
    called.proname, obj_description(called.oid, 'pg_proc'),
    pg_get_function_arguments(called.oid), pg_get_function_result(called.oid), called.provolatile
from pg_proc as called
where called.pronamespace = 'ragpg'::regnamespace
"""
_COLUMNS = """
select
    kept.relname, obj_description(coalesce(nullif(kept.reltype, 0), kept.oid), 'pg_type'),
    obj_description(kept.oid, 'pg_class'), col.attname,
    format_type(col.atttypid, col.atttypmod), col_description(kept.oid, col.attnum)
from pg_class as kept
join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0
where kept.relnamespace = 'ragpg'::regnamespace and kept.relkind = any(%s)
    and not kept.relispartition and kept.relname not like 'alembic%%' and not col.attisdropped
    -- A view a collection, made as collections are.
    and kept.relname not like 'chunks\\_of\\_%%'
order by kept.relname, col.attnum
"""
_WRITES = {"v": " It may write.", "s": "", "i": ""}
Relations = dict[str, tuple[str, list[tuple[str, str, str]]]]


def sections() -> Iterator[tuple[str, dict[str, str]]]:
    """Yields each section's title and its examples by name, in order."""
    for part in re.split(r"^--- ", EXAMPLES.read_text(), flags=re.M)[1:]:
        title, text = part.split("\n", 1)
        names = re.split(r"^-- (\w+)\n", text, flags=re.M)[1:]
        pairs = zip(names[::2], names[1::2], strict=True)
        yield title, {name: example.strip() for name, example in pairs}


def page(connection: psycopg.Connection) -> str:
    """Returns the page, from the catalogue of a migrated database."""
    functions = {row[0]: row[1:] for row in connection.execute(_FUNCTIONS)}
    views = _relations(connection, "v")
    told, columns = _relations(connection, "c")["hit"]
    text = _HEAD
    for title, shown in sections():
        text += f"\n## {title}\n"
        for name, example in shown.items():
            if name in functions:
                text += _function(name, example, *functions[name])
            else:
                text += _view(name, example, *views[name])
            if name == "search":
                text += f"\n### ragpg.hit\n\n{told}\n\n{_table(columns)}"
    text += (
        "\n## Tables\n\n`\\d+ ragpg.TABLE` explains the columns.\n\n| table | what |\n|---|---|\n"
    )
    tables = _relations(connection, "rp").items()
    return text + "".join(f"| {name} | {_cell(what)} |\n" for name, (what, _) in tables)


def _relations(connection: psycopg.Connection, kinds: str) -> Relations:
    """Returns what the comments say of each relation and its columns (name, type, comment)."""
    found: Relations = {}
    for name, of_type, of_table, *column in connection.execute(_COLUMNS, (list(kinds),)):
        found.setdefault(name, (of_table or of_type or "", []))[1].append((*column,))
    return found


def _function(
    name: str, example: str, told: str, arguments: str, result: str, volatile: str
) -> str:
    return (
        f"\n### ragpg.{name}\n\n{told}{_WRITES[volatile]}\n\n"
        f"{_list('Arguments', arguments)}{_returns(result)}```sql\n{example}\n```\n"
    )


def _view(name: str, example: str, told: str, columns: list[Any]) -> str:
    shown = example or f"select * from ragpg.{name} limit 5;"
    return f"\n### ragpg.{name}\n\n{told}\n\n```sql\n{shown}\n```\n\n{_table(columns)}"


def _table(columns: list[Any]) -> str:
    rows = "".join(f"| {name} | {kind} | {_cell(told)} |\n" for name, kind, told in columns)
    return f"| column | type | what |\n|---|---|---|\n{rows}"


def _list(heading: str, arguments: str) -> str:
    if not arguments:
        return ""
    each = ", ".join(f"`{one}`" for one in re.split(r", (?=\w+ )", arguments))
    return f"{heading}: {each}.\n\n"


def _returns(result: str) -> str:
    if result == "SETOF ragpg.hit":
        return "Rows of `ragpg.hit`.\n\n"
    found = re.fullmatch(r"TABLE\((.*)\)", result)
    return _list("Columns", found[1]) if found else f"Returns `{result}`.\n\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as opened:
        PAGE.write_text(page(opened))
