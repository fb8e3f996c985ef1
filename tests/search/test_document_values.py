"""Filters find documents by the values that are kept of them: just those that the filter lets through."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ragpg
from ragpg.search.filters import to_jsonpath

from .test_filters import FILTERS, METADATA

KEYS = st.sampled_from(["a", "b", "a.b", 'q"', ""])
TEXTS = st.sampled_from(
    ["", "a", "ab", "b", "ä", "\U0001f600", "\ufb01", "\ue000b", "x" * 100, "x" * 101, "x" * 99 + "y",
     "2024-01-05", "2024-01-05T10:00:00", "2024-01-05T10:00:00.5Z", "2024-01-06T01:00:00+14:00",
     "2024-1-5", "10:30:00", " 2024-01-04", "99999-01-01", "-0044-03-15", "0000-01-01", "5", 'say "&& ("'],
)  # fmt: skip
NUMBERS = st.sampled_from(
    [-5, -1, 0, 1, 1.0, 2, 5, 1e300, -1e-300, 0.1, 10**120, 10**120 + 1, 2**63, 3 + 1e-9]
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
ANY_METADATA = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=6,
    ),
    max_size=3,
)
PATHS = st.builds(
    lambda keys, end: "".join(f".{json.dumps(key, ensure_ascii=False)}" for key in keys) + end,
    st.lists(KEYS, min_size=1, max_size=2),
    st.sampled_from(["", "", "", "[*]", "[0]", ".size()", ".*", ".**"]),
)
SIGNS = st.sampled_from(["==", "<", "<=", ">", ">=", "!="])
LITERALS = SCALARS.map(lambda one: json.dumps(one, ensure_ascii=False))
MOMENTS = TEXTS.map(lambda one: json.dumps(one) + ".datetime()")


def comparison(path: str, sign: str, literal: str, shape: str) -> str:
    if shape == "turned":
        return f"{literal} {sign} ${path}"
    if shape == "moment":
        return f"${path}.datetime() {sign} {literal}.datetime()" if literal[0] == '"' else "1 == 1"
    if shape == "with Z":
        read = '.datetime("yyyy-mm-dd\\"T\\"hh24:mi:ss.us\\"Z\\"")'
        return f"${path}{read} {sign} {literal}.datetime()" if literal[0] == '"' else "1 == 1"
    if shape == "of each":
        return f"exists (${path} ? (@ {sign} {literal} && @ != 2))"
    if shape == "within":
        return f'exists (${path} ? (@."a" {sign} {literal} || @ >= "b"))'
    if shape == "begins":
        return f"${path} starts with {literal}" if literal[0] == '"' else "1 == 1"
    return f"${path} {sign} {literal}"


COMPARISONS = st.builds(
    comparison, PATHS, SIGNS, LITERALS,
    st.sampled_from(["plain"] * 4 + ["turned", "moment", "with Z", "of each", "within", "begins"]),
)  # fmt: skip
PREDICATES = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(lambda a, b, sign: f"({a}) {sign} ({b})", inner, inner,
                  st.sampled_from(["&&", "||"])),
        st.builds("!({})".format, inner),
        st.builds("({}) is unknown".format, inner),
        st.builds(lambda path, low, high: f"${path} >= {low} && ${path} < {high}",
                  PATHS, LITERALS, LITERALS),
    ),
    max_leaves=5,
)  # fmt: skip
ONE_OF_THEM = st.one_of(
    st.tuples(PREDICATES | PREDICATES.map(lambda one: f"strict {one}"), st.lists(ANY_METADATA, min_size=1, max_size=8)),
    st.tuples(FILTERS.map(to_jsonpath), st.lists(METADATA, min_size=1, max_size=8)),
)  # fmt: skip


@pytest.fixture(scope="module")
def values(server: str) -> Any:
    """A connection to a database with a search index, and its number."""
    from tests.conftest import WordEmbedder, new_database

    for url in new_database(server, "template_ragpg"):
        with ragpg.connect(url, embedder=WordEmbedder()) as client:
            client.collection("c").add(records=[{"text": "money", "source": "first"}])
        with psycopg.connect(url) as sql:
            yield sql


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(ONE_OF_THEM, st.sampled_from(["UTC", "Asia/Tokyo", "America/Los_Angeles"]))
def test_the_documents_listed_are_those_that_pass(
    values: psycopg.Connection, asked: tuple[str, list[dict[str, Any]]], zone: str
) -> None:
    filter, rows = asked
    values.execute("select set_config('timezone', %s, true)", (zone,))
    values.execute(
        "insert into ragpg.documents (collection_id, source, content, metadata)"
        " select min(id), 's' || place, 'text', given::jsonb from ragpg.collections"
        " cross join unnest(%s::text[]) with ordinality as row (given, place)"
        " group by given, place",
        ([json.dumps(row, ensure_ascii=False) for row in rows],),
    )
    try:
        listed = values.execute(
            "select array(select unnest(document_ids) order by 1) from"
            " ragpg_internal.matching_documents((select min(id) from ragpg.search_indexes), %s)",
            (filter,),
        ).fetchone()
        passed = values.execute(
            "select array_agg(id order by id) filter (where ragpg_internal.passes(metadata, %s))"
            " from ragpg.documents",
            (filter,),
        ).fetchone()
    finally:
        values.rollback()
    assert listed and passed
    assert listed[0] == (passed[0] or [])


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "<-99>+99"])
def test_a_time_without_a_zone_is_found_in_every_zone(
    values: psycopg.Connection, zone: str
) -> None:
    """The instant that is kept is by UTC; the filter is asked by the session's zone."""
    values.execute("select set_config('timezone', %s, true)", (zone,))
    values.execute('update ragpg.documents set metadata = \'{"at": "2024-01-01T00:00:00"}\'')
    try:
        for sign, literal in (
            ("==", "2024-01-01T00:00:00"), (">=", "2024-01-01T00:00:00"),
            ("<=", "2024-01-01T00:00:00"),
        ):  # fmt: skip
            moment = values.execute(
                "select to_char(%s::timestamptz at time zone 'UTC',"
                " 'YYYY-MM-DD\"T\"HH24:MI:SS') || '+00:00'",
                (literal,),
            ).fetchone()
            assert moment
            found = values.execute(
                "select cardinality(document_ids) from ragpg_internal.matching_documents("
                " (select min(id) from ragpg.search_indexes), %s)",
                (f'$.at.datetime() {sign} "{moment[0]}".datetime()',),
            ).fetchone()
            assert found == (1,), (sign, moment)
    finally:
        values.rollback()


def test_what_cannot_be_told_is_asked(values: psycopg.Connection) -> None:
    """More than a thousand values, a list in a list, a number of 120 digits, a long key."""
    many = {f"k{n}": n for n in range(1001)}
    long = "k" * 101
    rows = [many, {"a": [[7]]}, {"a": 10**120}, {long: 7}, {"a": 7}]
    values.execute(
        "insert into ragpg.documents (collection_id, source, content, metadata)"
        " select min(id), 's' || place, 'text', given::jsonb from ragpg.collections"
        " cross join unnest(%s::text[]) with ordinality as row (given, place)"
        " group by given, place",
        ([json.dumps(row) for row in rows],),
    )
    try:
        kinds = values.execute(
            "select count(*) filter (where kind = 'x'), count(*) from ragpg.document_values"
        ).fetchone()
        assert kinds == (4, 5)
        for filter, expected in (
            ("$.k1000 == 1000", ["s1"]), ("$.a[*] == 7", ["s2", "s5"]),
            (f"$.a == {10**120}", ["s3"]), (f"$.{long} >= 7", ["s4"]), ("$.a == 7", ["s5"]),
        ):  # fmt: skip
            found = values.execute(
                "select array_agg(source order by source) from ragpg.documents where id = any("
                " (select document_ids from ragpg_internal.matching_documents("
                "  (select min(id) from ragpg.search_indexes), %s))::bigint[])",
                (filter,),
            ).fetchone()
            assert found == (expected,), filter
    finally:
        values.rollback()


def test_values_follow_every_change(sql: psycopg.Connection) -> None:
    def held() -> list[tuple[str, Any]]:
        return sql.execute(
            "select key, coalesce(number::text, word) from ragpg.document_values order by 1, 2"
        ).fetchall()

    sql.execute("insert into ragpg.collections (name) values ('c')")
    add = (
        "insert into ragpg.documents (collection_id, source, content, metadata)"
        " select id, %s, 'text', %s from ragpg.collections"
        " on conflict on constraint documents_collection_id_tenant_source_key"
        " do update set metadata = excluded.metadata"
    )
    sql.execute(add, ("a", '{"year": 2024}'))
    sql.execute(add, ("b", '{"tier": "pro"}'))
    assert held() == [("tier", "pro"), ("year", "2024")]
    sql.execute(add, ("a", '{"year": 2025, "tags": ["x", "y"]}'))
    assert held() == [("tags", "x"), ("tags", "y"), ("tier", "pro"), ("year", "2025")]
    sql.execute("update ragpg.documents set title = 'other'")
    assert len(held()) == 4
    sql.execute("delete from ragpg.documents where source = 'a'")
    assert held() == [("tier", "pro")]
    sql.execute("select ragpg.drop_collection('c')")
    assert held() == []


def test_verify_tells_of_values_that_a_trigger_did_not_keep(sql: psycopg.Connection) -> None:
    """A load with triggers off, as some replication does it."""
    sql.execute("insert into ragpg.collections (name) values ('c')")
    sql.execute("set session_replication_role = replica")
    sql.execute(
        "insert into ragpg.documents (collection_id, source, content, metadata, version)"
        " select id, 'a', 'text', '{\"year\": 2024, \"at\": \"2024-01-01\"}', 1 from ragpg.collections"
    )
    sql.execute("reset session_replication_role")
    told = sql.execute("select problem, what_to_do from ragpg.verify('c')").fetchall()
    assert [problem for problem, _ in told] == ["values of metadata missing or too many"]
    sql.execute(told[0][1].encode())
    assert sql.execute("select * from ragpg.verify('c')").fetchall() == []
    assert sql.execute("select count(*) from ragpg.document_values").fetchone() == (3,)
