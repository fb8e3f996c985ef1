"""Random statements of one tenant bring back no byte of another."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from .tenants import MARKER

# Random statements -----------------------------------------------------------------------------


_RELATIONS = """
select kept.oid::regclass::text, array_agg(quote_ident(col.attname))
from pg_class as kept
join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0 and not col.attisdropped
where kept.relnamespace = 'ragpg'::regnamespace and kept.relkind in ('r', 'p', 'v')
    and has_table_privilege(kept.oid, 'select')
group by kept.oid
order by 1
"""


_SYSTEM = {
    name: ["*"]
    for name in (
        "pg_stats", "pg_stats_ext", "pg_stat_activity", "pg_stat_user_tables", "pg_locks",
        "pg_prepared_statements", "pg_cursors", "pg_policies", "pg_description", "pg_settings",
        "pg_class", "pg_indexes",
    )
}  # fmt: skip


_FUNCTIONS = """
select
    format('%s.%s', called.pronamespace::regnamespace, called.proname), called.proargtypes::regtype[]::text[], called.provolatile = 'v'
from pg_proc as called
where called.pronamespace::regnamespace::text like 'ragpg%'
    and called.prorettype <> 'trigger'::regtype
    and called.prokind = 'f'
    and has_function_privilege(called.oid, 'execute')
    -- They wait, or take the locks of a worker.
    and called.proname not in ('wait_until_indexed', 'encode', 'claim_documents')
order by called.oid
"""


def _argument(draw: random.Random, kind: str) -> str:
    choices = {
        "text": [
            "'shared'", "'same'", "'refund money'", "'refund'", "'default'", "'hybrid'", "'keyword'",
            "'a'", "null", "'english'",
        ],
        "integer": ["1", "2", "10", "1000", "0", "null"],
        "bigint": [str(number) for number in range(1, 12)] + ["null"],
        "jsonpath": ["'$.year == 2026'", "'$.tag like_regex \"refund\"'", "null", "'$.tag'"],
        "jsonb": ["'{}'", "'[]'", "null"],
        "boolean": ["true", "false"],
        "halfvec": ["'[1,1,1,1,1,1,1,1]'", "null", "'[1]'"],
        "vector": ["'[1,1,1,1,1,1,1,1]'"],
        "text[]": ["'{refund,shared}'", "'{}'"],
        "bigint[]": ["'{1,2,3,4,5,6,7,8,9,10}'"],
        "integer[]": ["'{0}'"],
        "interval": ["'1 day'"],
        "double precision": ["0.5", "0", "1"],
    }.get(kind.removeprefix("public."), ["null"])  # fmt: skip
    return f"({draw.choice(choices)})::{kind}"


def _call(draw: random.Random, functions: list[tuple[str, list[str], bool]]) -> str:
    name, kinds, _ = draw.choice(functions)
    return f"{name}({', '.join(_argument(draw, kind) for kind in kinds)})"


def _source(draw: random.Random, relations: dict[str, list[str]], functions: Any) -> str:
    return _call(draw, functions) if draw.random() < 0.3 else draw.choice(list(relations))


def _statement(draw: random.Random, relations: dict[str, list[str]], functions: Any) -> list[str]:
    """Returns one way of asking, as the statements it takes."""
    select = _select(draw, relations, functions)
    return draw.choice(
        [
            [select],
            [select],
            [select],
            [f"explain (verbose) {select}"],
            [f"explain (analyze, verbose, buffers off) {select}"],
            [f"copy ({select}) to stdout"],
            ["begin", f"declare seen cursor for {select}", "fetch all from seen", "rollback"],
            [f"prepare asked as {select}", "execute asked", "deallocate all"],
            [f"set ragpg.tenant = '{draw.choice(['a', 'b', ''])}'", select, "reset ragpg.tenant"],
            ["set row_security = off", select, "reset row_security"],
            [f"do $$ begin perform {_call(draw, functions)}; end $$"],
        ]
    )


def _select(draw: random.Random, relations: dict[str, list[str]], functions: Any) -> str:
    name = draw.choice(list(relations))
    other = draw.choice(list(relations))
    column, second = draw.choice(relations[name]), draw.choice(relations[other])
    one = "one" if column == "*" else f"one.{column}"
    two = "two" if second == "*" else f"two.{second}"
    condition = _condition(draw, one, two, other)
    return draw.choice(
        [
            f"select * from {name} as one where {condition} limit 50",
            f"select {one} from {name} as one where {condition} order by 1 desc limit 50",
            f"select min({one}::text), max({one}::text), count(*) from {name} as one"
            f" where {condition}",
            f"select string_agg({one}::text, ',') over () from {name} as one limit 5",
            f"select json_agg(one) from {name} as one",
            f"select {one}, {two} from {name} as one left join {other} as two"
            f" on {one}::text = {two}::text limit 20",
            f"select one, two from {name} as one full join {other} as two on true limit 20",
            f"select * from {name} as one, lateral (select {two} from {other} as two"
            f" where {two}::text >= {one}::text limit 1) as near limit 20",
            f"select * from {_source(draw, relations, functions)} as one limit 20",
            f"select {_call(draw, functions)}",
            f"select {_call(draw, functions)} from {name} as one where {condition} limit 3",
            f"with one as materialized (select * from {name}) select * from one where {condition}",
            f"select {one} from {name} as one union all select null from {name} as one limit 30",
            f"select {one}::text::integer from {name} as one",
            f"select xmlforest(one) from {name} as one limit 5",
            "select * from ts_stat('select lexemes from ragpg.chunks')",
            f"select * from query_to_xml('select * from {name}', true, false, '') as one",
        ]
    )


def _condition(draw: random.Random, one: str, two: str, other: str) -> str:
    return draw.choice(
        [
            f"{one}::text::integer = 1",  # the error says what it could not read
            f"({one}::text || 'x')::date > now()",
            f"1 / (length({one}::text) - length({one}::text)) = 1",
            f"pg_temp.spy({one}::text)",  # says what it is asked about
            f"{one}::text ~ '[a-z]'",
            f"{one} is not null",
            f"exists (select from {other} as two where {two}::text = {one}::text)",
            "true",
        ]
    )


def _told(connection: psycopg.Connection, statements: list[str], notices: list[str]) -> str:
    """Returns everything the server said: rows, names, errors, notices."""
    said: list[str] = []
    for statement in statements:
        try:
            if statement.startswith("copy"):
                with connection.cursor().copy(statement.encode()) as copy:
                    said += [bytes(block).decode() for block in copy]
                continue
            cursor = connection.execute(statement.encode())
            if cursor.description:
                said += [column.name for column in cursor.description]
                said += [str(row) for row in cursor.fetchall()]
        except psycopg.Error as error:
            said.append(str(error))
            said += [
                str(part)
                for part in (error.diag.message_detail, error.diag.context, error.diag.message_hint)
            ]
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.rollback()
    said += notices
    notices.clear()
    return "\n".join(said)


class _Attacker:
    """A reader that asks at random and listens."""

    def __init__(self, connection: psycopg.Connection, seed: int) -> None:
        self.connection, self.draw = connection, random.Random(seed)
        self.notices: list[str] = []
        connection.add_notice_handler(lambda said: self.notices.append(str(said.message_primary)))
        connection.execute("set statement_timeout = '2s'")
        connection.execute("set client_min_messages = notice")
        self.relations = dict(connection.execute(_RELATIONS.encode()).fetchall()) | _SYSTEM
        self.functions = connection.execute(_FUNCTIONS.encode()).fetchall()

    def crossings(self, statements: int) -> list[list[str]]:
        """Returns the statements that told something of the other tenant."""
        found = []
        for _ in range(statements):
            asked = _statement(self.draw, self.relations, self.functions)
            if MARKER in _told(self.connection, asked, self.notices):
                found.append(asked)
        return found


@pytest.fixture
def attacker(shared: psycopg.Connection, reader: psycopg.Connection) -> _Attacker:
    shared.execute(
        "grant temporary on database current to public".replace(
            "current", shared.info.dbname
        ).encode()
    )
    reader.execute(
        """
        create function pg_temp.spy(seen text) returns boolean language plpgsql cost 0.0001 as
        $$ begin raise notice 'seen: %', seen; return true; end $$
        """
    )
    return _Attacker(reader, seed=20)


def test_no_random_statement_returns_a_byte_of_another_tenant(attacker: _Attacker) -> None:
    assert len(attacker.relations) > 50 and len(attacker.functions) > 50
    assert attacker.crossings(4000) == []


@pytest.mark.parametrize("table", ["documents", "chunks", "answers", "lexeme_statistics"])
def test_the_random_statements_notice_a_missing_policy(
    attacker: _Attacker, shared: psycopg.Connection, table: str
) -> None:
    shared.execute(f"alter table ragpg.{table} disable row level security".encode())
    assert attacker.crossings(800) != []
