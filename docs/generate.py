"""Writes docs/sql.md from the comments in the catalogue and the examples in docs/sql_examples.sql.

python -m docs.generate DATABASE_URL
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import psycopg

PAGE = Path(__file__).with_name("sql.md")
EXAMPLES = Path(__file__).with_name("sql_examples.sql")

_HEAD = """# The SQL surface

Every function and view a person calls, with an example that a test runs. Generated from the
comments in the database by `make docs`; `\\df+ ragpg.*` and `\\d+ ragpg.*` show the same.
Where to begin: [psql only](psql.md).

"""
_FUNCTIONS = """
select
    called.proname, obj_description(called.oid, 'pg_proc'),
    pg_get_function_arguments(called.oid), pg_get_function_result(called.oid), called.provolatile
from pg_proc as called
where called.pronamespace = 'ragpg'::regnamespace and called.prorettype <> 'trigger'::regtype
order by called.proname
"""
_VIEWS = """
select
    kept.relname, obj_description(kept.oid, 'pg_class'), col.attname,
    format_type(col.atttypid, col.atttypmod), col_description(kept.oid, col.attnum)
from pg_class as kept
join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0
where kept.relnamespace = 'ragpg'::regnamespace and kept.relkind = %s
    and not kept.relispartition and kept.relname not like 'alembic%%' and not col.attisdropped
    -- A view a collection, made as collections are.
    and kept.relname not like 'chunks\\_of\\_%%'
order by kept.relname, col.attnum
"""
_WRITES = {"v": " It may write.", "s": "", "i": ""}


def examples() -> dict[str, str]:
    """Returns the example of each function and view, by name."""
    parts = re.split(r"^-- (\w+)\n", EXAMPLES.read_text(), flags=re.M)[1:]
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def page(connection: psycopg.Connection) -> str:
    """Returns the page, from the catalogue of a migrated database."""
    shown = examples()
    called = connection.execute(_FUNCTIONS).fetchall()
    text = _HEAD + "## Functions\n"
    for name, told, arguments, result, volatile in called:
        if name in shown:
            text += (
                f"\n### ragpg.{name}\n\n{told}{_WRITES[volatile]}\n\n"
                f"{_list('Arguments', arguments)}{_returns(result)}"
                f"```sql\n{shown[name]}\n```\n"
            )
    text += "\n## Views\n" + _relations(connection, "v", shown)
    text += (
        "\n## Tables\n\n`\\d+ ragpg.TABLE` explains the columns.\n\n| table | what |\n|---|---|\n"
    )
    for kind in ("r", "p"):
        rows = connection.execute(_VIEWS, (kind,)).fetchall()
        text += "".join(
            f"| {name} | {told} |\n" for name, told in {row[0]: row[1] for row in rows}.items()
        )
    text += (
        "\n## What these stand on\n\nFunctions that the above call; no promise that they stay.\n\n"
    )
    text += "| function | what |\n|---|---|\n"
    text += "".join(
        f"| {name} | {_cell(told)} |\n" for name, told, *_ in called if name not in shown
    )
    return text


def _relations(connection: psycopg.Connection, kind: str, shown: dict[str, str]) -> str:
    text, before = "", ""
    for name, told, column, type_name, column_told in connection.execute(_VIEWS, (kind,)):
        if name != before:
            example = shown.get(name, f"select * from ragpg.{name} limit 5;")
            text += f"\n### ragpg.{name}\n\n{told}\n\n```sql\n{example}\n```\n\n"
            text += "| column | type | what |\n|---|---|---|\n"
            before = name
        text += f"| {column} | {type_name} | {_cell(column_told)} |\n"
    return text


def _list(heading: str, arguments: str) -> str:
    if not arguments:
        return ""
    return (
        f"{heading}: "
        + ", ".join(f"`{one}`" for one in re.split(r", (?=\w+ )", arguments))
        + ".\n\n"
    )


def _returns(result: str) -> str:
    found = re.fullmatch(r"TABLE\((.*)\)", result)
    return _list("Columns", found[1]) if found else f"Returns `{result}`.\n\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as opened:
        PAGE.write_text(page(opened))
