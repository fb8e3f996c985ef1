"""Filters as dictionaries: what Postgres makes of them is what they say, in every combination."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ragpg
from ragpg import errors
from ragpg.search.filters import to_jsonpath

NAMES = ["tier", "year", 'od"d', "ünï", "tier.year", "", "a$b"]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(-3, 3, width=16),
    st.sampled_from(["pro", "free", "2024-01-05", 'quo"te', "back\\slash", "日本", "$", ""]),
)  # fmt: skip
METADATA = st.dictionaries(
    st.sampled_from(NAMES),
    st.one_of(
        VALUES, st.lists(VALUES, max_size=3), st.dictionaries(st.sampled_from(NAMES), VALUES)
    ),
)
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq, "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt,
    "$lte": operator.le,
}  # fmt: skip
OPERATORS = st.one_of(
    st.tuples(st.sampled_from([*COMPARISONS, "$ne"]), VALUES),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(VALUES, min_size=1, max_size=3)),
    st.tuples(st.just("$exists"), st.booleans()),
)
TESTS = st.dictionaries(st.just("$eq"), VALUES, min_size=1) | st.lists(
    OPERATORS, min_size=1, max_size=2
).map(dict)
FIELD = st.one_of(VALUES, TESTS, TESTS.map(lambda one: {"$not": one}))
FILTERS = st.recursive(
    st.dictionaries(st.sampled_from([*NAMES, 'od"d.ünï']), FIELD, min_size=1, max_size=2),
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or", "$nor"]),
        st.lists(inner, min_size=1, max_size=2),
        min_size=1,
    ),
    max_leaves=4,
)


def matches(filter: Mapping[str, Any], metadata: Any) -> bool:
    """The same in Python: the reference."""
    return all(_holds(key, value, metadata) for key, value in filter.items())


def _holds(key: str, value: Any, metadata: Any) -> bool:
    if key == "$and":
        return all(matches(one, metadata) for one in value)
    if key in ("$or", "$nor"):
        return any(matches(one, metadata) for one in value) == (key == "$or")
    found = _items([metadata], key.split(".")) + (_items([metadata], [key]) if "." in key else [])
    if not isinstance(value, dict):
        value = {"$eq": value}
    return all(_tested(name, one, found) for name, one in value.items())


def _items(items: list[Any], path: list[str]) -> list[Any]:
    for name in path:
        inner = [x for one in items for x in (one if isinstance(one, list) else [one])]
        items = [one[name] for one in inner if isinstance(one, dict) and name in one]
    return items


def _tested(name: str, value: Any, found: list[Any]) -> bool:
    if name == "$not":
        return not all(_tested(key, one, found) for key, one in value.items())
    if name == "$exists":
        return bool(found) is bool(value)
    if name in ("$in", "$nin"):
        return any(_tested("$eq", one, found) for one in value) == (name == "$in")
    if name == "$ne":
        return not _tested("$eq", value, found)
    flat = [x for one in found for x in (one if isinstance(one, list) else [one])]
    return any(_compares(name, one, value) for one in flat)


def _compares(name: str, one: Any, value: Any) -> bool:
    if one is None and value is None:
        return name in ("$eq", "$gte", "$lte")
    kinds = [bool, str, (int, float)]
    for kind in kinds:
        if isinstance(one, kind) and isinstance(value, kind):  # type: ignore[arg-type]
            if kind is not bool and isinstance(one, bool) != isinstance(value, bool):
                return False
            return bool(COMPARISONS[name](one, value))
    return False


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(FILTERS, st.lists(METADATA, min_size=1, max_size=6))
def test_postgres_agrees_with_the_reference(
    server: str, filter: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    with psycopg.connect(server) as sql:
        found = sql.execute(
            "select metadata::jsonb @@ %s::jsonpath"
            " from unnest(%s::text[]) with ordinality as given (metadata, place) order by place",
            (to_jsonpath(filter), [json.dumps(row) for row in rows]),
        ).fetchall()
    assert [bool(one) for (one,) in found] == [matches(filter, row) for row in rows]


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"year": {"$gte": [2024]}}, r"year cannot be compared with \[2024\]: use \$in"),
        ({"year": {"$near": 3}}, r"operator \$near is unknown: there are \$eq"),
        ({"$gte": 3}, r"\$gte compares a field"),
        ({"$or": {"a": 1}}, r"\$or needs a list of filters"),
        ({"$or": [{}]}, r"\$or needs filters, not \{\}"),
        ({"year": {}}, "the filter says nothing about year"),
        ({"a": {"b": {"$in": "pro"}}}, r"\$in of a\.b needs a list of values, not 'pro'"),
        ({"a": {"$exists": 1}}, r"\$exists of a is true or false"),
        ({"a": float("nan")}, "the filter's a is nan, which JSON cannot hold"),
        ({"a": {"b": "\0"}}, r"the filter's a\.b holds the character U\+0000"),
        ({"a\0": 1}, r"U\+0000"),
        ({"a": {"$in": [1, {2}]}}, r"the filter's a is \{2\}: a set has no order"),
        ({"a": b"x"}, r"the filter's a is b'x': bytes are no text"),
        (
            {"a": timedelta(1)},
            r"the filter's a is datetime.timedelta\(days=1\): give a duration as",
        ),
        (
            {"a": object()},
            "the filter's a is <object object at .*>: metadata and filters take text",
        ),
        ({"a": {"$gt": np.array([1, 2])}}, r"a cannot be compared with \[.*\]: use \$in"),
        ({"a": {"$eq": {"b": 1}}}, r"a cannot be compared with \{'b': 1\}: name its keys"),
        ({1: 1}, r"the filter's key 1 is no string: write str\(key\)"),
        ({"$price": 1}, r'a key of that name is asked by jsonpath, \$\."\$price" == '),
        ({"a": {"$in": []}}, r"\$in of a needs a list of values, not \[\]"),
        ([1], "a jsonpath string or a dictionary"),
    ],
)
def test_a_wrong_filter_is_a_clear_error(filter: Any, message: str) -> None:
    with pytest.raises(errors.BadArgument, match=message):
        to_jsonpath(filter)


def test_search_takes_dictionaries(client: ragpg.Client) -> None:
    docs = client.collection("docs")
    docs.add(
        records=[
            {
                "source": f"d{year}",
                "text": "The refund.",
                "metadata": {"year": year, "tags": ["a", str(year)], "day": f"{year}-03-01"},
            }
            for year in range(2020, 2027)
        ]
    )

    def sources(filter: Any) -> set[str]:
        return {hit.source for hit in docs.search("refund", k=10, filter=filter)}

    assert sources({"year": {"$gte": 2023, "$lt": 2025}}) == {"d2023", "d2024"}
    assert sources({"tags": "2021"}) == {"d2021"}
    assert sources({"day": {"$gt": date(2025, 1, 1)}}) == {"d2025", "d2026"}
    assert sources({"day": {"$gt": datetime(2025, 6, 1, 12)}}) == {"d2026"}
    assert len(sources({})) == 7


@pytest.mark.parametrize(
    "filter",
    [
        "", " ", "$.tier == 'pro'", '$.tier = "pro"', 'tier == "pro"', "metadata->>'tier' = 'pro'",
        "tier", '$.tier == "pro', '{"tier": "pro"}', "$.tier == @", "$.tier like '%a'",
        '$.tier like_regex "("', "$.a[last] == last", '$.tier == "a\0"', '$.tier == "pro" and 1 == 1',
        '$.tier ? (@ == "pro"', "$.year = 2024" + " " * 9000, '$.tier == "\\ud800"', "$.a == 1e999999",
    ],
)  # fmt: skip
def test_jsonpath_that_cannot_be_read_is_shown_with_how_to_write_it(
    client: ragpg.Client, filter: str
) -> None:
    docs = client.collection("docs")
    docs.add(text="The refund.", source="a")
    for ask in (docs.search, docs.explain, docs.ask):
        with pytest.raises(errors.BadFilter) as found:
            ask("refund", filter=filter)
        message = str(found.value)
        assert message.startswith(f"the filter {filter[:200]!r}"[:-1])
        assert 'write it like $.tier == "pro" && $.year >= 2024' in message
        assert len(message) < 700
    with pytest.raises(errors.BadFilter, match="is no jsonpath"):
        docs.search(["refund", "money"], filter=filter)


@pytest.mark.parametrize("filter", ["$.tier", '$.tier ? (@ == "pro")', "1", '"pro"', "$.a + 1"])
def test_jsonpath_without_a_predicate_is_told_how_to_be_one(
    client: ragpg.Client, filter: str
) -> None:
    docs = client.collection("docs")
    docs.add(text="The refund.", source="a")
    with pytest.raises(errors.BadFilter, match=r'is not a predicate.*such as \$\.tier == "pro"'):
        docs.search("refund", filter=filter)


def test_another_error_is_not_taken_for_the_filters(client: ragpg.Client) -> None:
    docs = client.collection("docs")
    docs.add(text="The refund.", source="a")
    with pytest.raises(errors.RagpgError, match="does not exist") as found:
        docs.search("refund", k=10**12, filter="$.a == 1")
    assert not isinstance(found.value, errors.BadFilter)
    with pytest.raises(errors.UnknownCollection):
        client.collection("none").search("refund", filter="$.a == 1")


def test_text_with_lone_surrogates_can_be_asked(client: ragpg.Client) -> None:
    docs = client.collection("docs")
    docs.add(text="The refund.", source="a")
    assert docs.search("refund", filter='$.tier == "\ud800"') == []
