"""A table of somebody else's: found by its name, its columns told, its rows read as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from ragpg.errors import BadArgument
from ragpg.integrations import importing_queries as queries

VECTOR_TYPES = ("vector", "halfvec")
_AT_ONCE = 500  # rows of one round trip: some megabytes of vectors as text


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str  # as pg_type names it
    typmod: int  # of pgvector's types the dimensions, -1 where any are taken
    is_key: bool  # the primary key, alone


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view that can be read."""

    connection: psycopg.Connection
    schema: str
    name: str
    columns: tuple[Column, ...]

    def rows(self, statement: LiteralString = queries.TABLE_ROWS) -> Iterator[dict[str, Any]]:
        """Yields each row as JSON has it: vectors are text, numbers keep their digits."""
        return streamed(self.connection, self._of_it(statement), {})

    def count(self, statement: LiteralString = queries.COUNT_ROWS) -> int:
        """Returns how many rows there are."""
        return int(self._found(statement)[0]["count"])

    def dimensions(self, vector: str) -> list[tuple[int, int]]:
        """Returns (dimensions, rows) of a vector column, the most frequent first.

        Rows are not counted, and 0, where the column's type says its dimensions.
        """
        (column,) = (one for one in self.columns if one.name == vector)
        if column.type not in VECTOR_TYPES:
            return []
        if column.typmod > 0:
            return [(column.typmod, 0)]
        found = self._found(queries.COUNT_DIMENSIONS, column=sql.Identifier(vector))
        return [(row["dimensions"], row["rows"]) for row in found]

    def repeated(self, column: str) -> tuple[str, int] | None:
        """Returns the value that most rows share, and how many do; None when each is its own."""
        found = self._found(queries.REPEATED_VALUE, column=sql.Identifier(column))
        return (found[0]["value"], found[0]["rows"]) if found else None

    def _of_it(self, statement: LiteralString, **names: sql.Identifier) -> sql.Composed:
        return sql.SQL(statement).format(table=sql.Identifier(self.schema, self.name), **names)

    def _found(self, statement: LiteralString, **names: sql.Identifier) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._of_it(statement, **names)).fetchall()


def streamed(
    connection: psycopg.Connection, statement: sql.Composed | LiteralString, given: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yields `held` of each row, some at a time; whole numbers and fractions keep all digits."""
    with psycopg.ServerCursor(connection, "imported") as cursor:
        cursor.itersize = _AT_ONCE
        set_json_loads(partial(json.loads, parse_float=Decimal), cursor)
        for (held,) in cursor.execute(statement, given):
            yield held


def find_table(connection: psycopg.Connection, name: str, schema: str | None) -> Table | None:
    """Returns the table of that name, in a schema or on the search path; None without one."""
    for row in _named(connection, name):
        if row["schema"] == schema if schema else row["visible"]:
            with connection.cursor(row_factory=dict_row) as cursor:
                found = cursor.execute(queries.TABLE_COLUMNS, {"oid": row["oid"]}).fetchall()
            columns = tuple(Column(**one) for one in found)
            return Table(connection, row["schema"], name, columns)
    return None


def no_table(connection: psycopg.Connection, names: list[str], schema: str | None) -> BadArgument:
    """Returns the error for tables that are not there, which says where one of the name is."""
    told = " nor ".join(f'"{name}"' for name in names)
    where = f' in schema "{schema}"' if schema else ""
    others = [row["schema"] for name in names for row in _named(connection, name)]
    hint = f"; there is one elsewhere: --schema {others[0]}" if others else ""
    database = connection.info.dbname
    return BadArgument(f'there is no table {told}{where} in the database "{database}"{hint}')


def _named(connection: psycopg.Connection, name: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(queries.FOUND_TABLE, {"name": name}).fetchall()
