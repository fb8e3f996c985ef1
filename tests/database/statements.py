"""Random statements over every table, view and function a role may use."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from .tenants import MARKER

# What B wrote in the one and in the other database: as long, as often, at the same places.
SECRETS = (MARKER, "nightheron")

RELATIONS = """
select kept.oid::regclass::text, json_object_agg(quote_ident(col.attname), col.atttypid::regtype)
from pg_class as kept
join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0 and not col.attisdropped
where kept.relnamespace = 'ragpg'::regnamespace and kept.relkind in ('r', 'p', 'v')
    and has_table_privilege(kept.oid, 'select')
group by kept.oid
order by 1
"""


SYSTEM = {
    name: {"*": ""}
    for name in (
        "pg_stats", "pg_stats_ext", "pg_stats_ext_exprs", "pg_policies", "pg_description", "pg_class",
        "pg_indexes", "pg_stat_activity", "pg_stat_user_tables", "pg_locks",
        "pg_prepared_statements", "pg_cursors", "pg_settings",
    )
}  # fmt: skip
# The server's own catalogue and activity, and sizes, which are not kept apart (docs/tenants.md).
RESTLESS = re.compile(
    r" pg_|index_health|rank_runs|health_problems"
    r"|near_duplicates"  # approximate, by a graph that is drawn at random
    r"|sample_chunks"  # draws at random: of few chunks the same twice, by chance
)


FUNCTIONS = """
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


Relations = dict[str, dict[str, str]]  # the types of their columns


def _guess(draw: random.Random) -> str:
    """Returns what an attacker thinks that B might have written, or the beginning of it."""
    word = draw.choice([*SECRETS, "refund", "same"])
    return word[: draw.choice([3, 10])]


def _argument(draw: random.Random, kind: str) -> str:
    guess = _guess(draw)
    choices = {
        "text": [
            "'shared'", "'same'", "'refund money'", "'refund'", "'default'", "'hybrid'", "'keyword'",
            "'a'", "null", "'english'", f"'{guess}'",
        ],
        "integer": ["1", "2", "10", "1000", "0", "null"],
        "bigint": [str(number) for number in range(1, 12)] + ["null"],
        "jsonpath": [
            "'$.year == 2026'", "'$.tag like_regex \"refund\"'", "null", "'$.tag'",
            f"'$.tag starts with \"{guess}\"'",
            # The one error that `@@` does not keep to itself.
            f"'$.tag starts with \"{guess}\" && $.at.datetime() < \"2027-01-01\".datetime()'",
            f"'exists($ ? (@.tag like_regex \"{guess}\")) || $.year / ($.year - 2026) > 1'",
        ],
        "jsonb": ["'{}'", "'[]'", "null"],
        "boolean": ["true", "false"],
        "halfvec": ["'[1,1,1,1,1,1,1,1]'", "null", "'[1]'"],
        "vector": ["'[1,1,1,1,1,1,1,1]'"],
        "text[]": ["'{refund,shared}'", "'{}'", f"'{{{guess}}}'"],
        "bigint[]": ["'{1,2,3,4,5,6,7,8,9,10}'"],
        "integer[]": ["'{0}'"],
        "interval": ["'1 day'"],
        "double precision": ["0.5", "0", "1"],
    }.get(kind.removeprefix("public."), ["null"])  # fmt: skip
    return f"({draw.choice(choices)})::{kind}"


def _call(draw: random.Random, functions: list[tuple[str, list[str], bool]]) -> str:
    name, kinds, _ = draw.choice(functions)
    return f"{name}({', '.join(_argument(draw, kind) for kind in kinds)})"


def _source(draw: random.Random, relations: Relations, functions: Any) -> str:
    return _call(draw, functions) if draw.random() < 0.3 else draw.choice(list(relations))


_ANALYZE = "explain (analyze, verbose, timing off, summary off, buffers off)"


def statement(draw: random.Random, relations: Relations, functions: Any) -> list[str]:
    """Returns one way of asking, as the statements it takes."""
    select = _select(draw, relations, functions)
    return draw.choice(
        [
            [select],
            [select],
            [select],
            [f"explain (verbose) {select}"],
            [f"explain {_guessing(draw, relations)}"],
            [f"{_ANALYZE} {_guessing(draw, relations)}"],
            [f"{_ANALYZE} {select}"],
            [
                f"set local enable_{draw.choice(['seqscan', 'indexscan', 'bitmapscan'])} = off",
                select,
            ],
            [
                "set local parallel_setup_cost = 0",
                "set local min_parallel_table_scan_size = 0",
                select,
            ],
            ["set local search_path = mine, ragpg, public", select],
            [f"copy ({select}) to stdout"],
            [f"declare seen cursor for {select}", "fetch all from seen"],
            [f"prepare asked as {select}", "execute asked", "deallocate all"],
            [f"set ragpg.tenant = '{draw.choice(['a', 'b', ''])}'", select, "reset ragpg.tenant"],
            ["set row_security = off", select, "reset row_security"],
            [f"do $$ begin perform {_call(draw, functions)}; end $$"],
        ]
    )


def _relation(draw: random.Random, relations: Relations) -> str:
    """Returns the name of any, half of the time of one that holds rows of tenants."""
    of_tenants = [name for name, columns in relations.items() if "tenant" in columns]
    return draw.choice(draw.choice([list(relations), of_tenants]))


def _guessing(draw: random.Random, relations: Relations) -> str:
    name = _relation(draw, relations)
    column = draw.choice(list(relations[name]))
    return draw.choice(_guesses(name, column, relations[name][column], _guess(draw)))


def _guesses(name: str, column: str, kind: str, guess: str) -> list[str]:
    """Returns queries whose estimates are made from statistics, if there are any."""
    of_kind = {
        "text": [
            f"{column} = '{guess}'",
            f"{column} >= '{guess}'",
            f"{column} between '{guess}' and '{guess}zz'",
            f"{column} like '{guess}%'",
            f"{column} ~ '^{guess}'",
            f"{column} in (select {column} from {name} where {column} >= '{guess}')",
            f"{column}::text = '{guess}' group by {column}",
            f"{column} operator(mine.===) '{guess}'",
        ],
        "tsvector": [f"{column} @@ '{guess}:*'", f"{column} @@ '{guess} & refund'"],
        "text[]": [
            f"{column} @> '{{{guess}}}'",
            f"{column} && '{{{guess},refund}}'",
            f"'{guess}' = any({column})",
            f"{column}[1] is null",
        ],
        "jsonb": [
            f'{column} @> \'{{"tag": "{guess}"}}\'',
            f"{column} ? '{guess}'",
            f"{column} ->> 'tag' >= '{guess}'",
            f"jsonb_set('{{}}', array[tenant], {column}) @@ '$.a.tag == \"{guess}\"'",
            # This costs nothing in the planner's eyes, as does the policy, which comes first.
            f"{column}['{guess}'] is not null",
        ],
        "boolean": [column, f"not {column}", f"{column} is true"],
        "timestamp with time zone": [f"{column} > now() - interval '1 hour'"],
    }
    other = [f"{column} > 1", f"{column} > 100", f"{column} is null"]
    return [f"select 1 from {name} where {one}" for one in of_kind.get(kind, other)]


def every_guess(relations: Relations) -> Iterator[list[str]]:
    """Yields each kind of guess about each column of each table that holds rows of tenants."""
    for name, columns in relations.items():
        for column, kind in columns.items() if "tenant" in columns else ():
            for guess in (part for secret in SECRETS for part in (secret, secret[:3])):
                for query in _guesses(name, column, kind, guess):
                    yield [f"explain {query}"]
                    yield [f"{_ANALYZE} {query}"]


def _select(draw: random.Random, relations: Relations, functions: Any) -> str:
    name, other = _relation(draw, relations), _relation(draw, relations)
    column, second = draw.choice(list(relations[name])), draw.choice(list(relations[other]))
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
            f"{one} = '{_guess(draw)}'",
            f"{one}::text operator(mine.===) '{_guess(draw)}'",  # not leakproof, and says so
            f"({one}::text::mine.seen).said is not null",
            f"mine.seen({one}) is not null",
            "true",
        ]
    )
