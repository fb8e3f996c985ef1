"""Dates and times in filters: instants by the session's time zone, days by the calendar."""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ragpg
from ragpg import errors
from ragpg.search.filters import to_jsonpath

SIGNS = {"$eq": operator.eq, "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt,
         "$lte": operator.le}  # fmt: skip
ZONES = [UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45))]
# Few enough that many are equal, and on both sides of midnight in some zone.
DAYS = st.sampled_from([date(2024, 3, day) for day in (9, 10, 11, 12)])
CLOCKS = st.sampled_from([
    time(0), time(1), time(4, 30), time(19), time(23, 30), time(23, 59, 59, 999999), time(1, 0, 0, 5)
])  # fmt: skip
NAIVE = st.builds(datetime.combine, DAYS, CLOCKS)
AWARE = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), NAIVE, st.sampled_from(ZONES))
MOMENTS = st.one_of(DAYS, NAIVE, AWARE, CLOCKS)


def stored(moment: Any, with_z: bool) -> str:
    text: str = moment.isoformat()
    return text.replace("+00:00", "Z") if with_z else text


def compares(name: str, one: Any, asked: Any, zone: ZoneInfo) -> bool:
    """Returns whether a stored moment compares with the asked one: the reference."""
    if isinstance(one, time) or isinstance(asked, time):
        same = isinstance(one, time) and isinstance(asked, time)
        return same and bool(SIGNS[name](one, asked))
    found = _instant(one, zone)
    first = last = _instant(asked, zone)
    if not isinstance(asked, datetime):
        last = _instant(datetime.combine(asked, time.max), zone)
    if name == "$eq":
        return first <= found <= last
    return bool(SIGNS[name](found, first if name in ("$gte", "$lt") else last))


def _instant(moment: date, zone: ZoneInfo) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def passing(server: str, zone: str, filter: Any, rows: Sequence[Any]) -> list[bool | None]:
    with psycopg.connect(server) as sql:
        sql.execute("select set_config('timezone', %s, true)", (zone,))
        # As ragpg_internal.passes asks it.
        found = sql.execute(
            "select jsonb_path_match_tz(metadata::jsonb, %s::jsonpath, '{}', true)"
            " from unnest(%s::text[]) with ordinality as given (metadata, place) order by place",
            (to_jsonpath(filter), [json.dumps(row) for row in rows]),
        ).fetchall()
    return [one for (one,) in found]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
    st.sampled_from([*SIGNS, "$ne", "$in", "$nin", "$not"]),
    st.lists(MOMENTS, min_size=1, max_size=2),
    st.lists(st.lists(st.tuples(MOMENTS, st.booleans()), max_size=2), min_size=1, max_size=5),
)
def test_postgres_agrees_with_the_reference(
    server: str, zone: str, name: str, asked: list[Any], rows: list[list[Any]]
) -> None:
    with psycopg.connect(server) as sql:
        if sql.info.server_version < 170000:  # Z is read as UTC, a day's borders by no zone
            rows = [[(one, False) for one, _ in row] for row in rows]
    value = asked if name in ("$in", "$nin") else asked[0]
    if name == "$not":
        value = {"$lte": asked[0]}
    kept = [
        any(
            compares({"$not": "$lte"}.get(name, name if name in SIGNS else "$eq"), one, other, tz)
            for one, _ in row
            for other in (asked if name in ("$in", "$nin") else asked[:1])
        )
        != (name in ("$ne", "$nin", "$not"))
        for row in rows
        for tz in (ZoneInfo(zone),)
    ]
    metadata = [{"on": [stored(*one) for one in row]} for row in rows]
    assert passing(server, zone, {"on": {name: value}}, metadata) == kept


def test_a_day_is_all_of_its_day_and_a_stored_day_its_beginning(server: str) -> None:
    rows: list[dict[str, Any]] = [
        {"on": text}
        for text in ("2024-03-11", "2024-03-11T15:00:00", "2024-03-11T23:59:59.999999+00:00",
                     "2024-03-12", "2024-03-10T23:30:00-05:00", "soon", 20240311, None)
    ]  # fmt: skip

    def found(test: Any) -> list[int]:
        return [n for n, one in enumerate(passing(server, "UTC", {"on": test}, rows)) if one]

    day = date(2024, 3, 11)
    assert found(day) == [0, 1, 2, 4]
    assert found({"$lte": day}) == [0, 1, 2, 4]
    assert found({"$gt": day}) == [3]
    assert found({"$lt": date(2024, 3, 12), "$gte": day}) == [0, 1, 2, 4]
    assert found({"$ne": day}) == [3, 5, 6, 7]
    assert found({"$gt": datetime(2024, 3, 11)}) == [1, 2, 3, 4]
    assert found(datetime(2024, 3, 11)) == [0]
    # A list on both sides of a day is not on it.
    rows.append({"on": ["2024-03-01", "2024-03-30"]})
    assert 8 not in found(day)


def test_years_at_the_ends_and_other_types_of_times(server: str) -> None:
    class Due(Enum):
        SOON = date(2024, 1, 5)

    def found(asked: Any, text: str) -> Any:
        return passing(server, "UTC", {"on": asked}, [{"on": text}])[0]

    late = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))
    early = datetime.min.replace(tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert found(date.max, "9999-12-31")
    assert found({"$gte": date.min}, "0001-01-01")
    assert found({"$lt": late}, "9999-12-31T00:00:00Z")
    assert found({"$lt": early}, "2024-01-05T00:00:00Z") is False
    # Before 1937 Amsterdam was 19 minutes and 32 seconds ahead.
    old = datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert found(old, "1899-12-31T23:40:28+00:00")
    assert found(Due.SOON, "2024-01-05")
    assert found(np.datetime64("2024-01-05"), "2024-01-05T10:00:00")
    assert found(np.datetime64("2024-01-05T10:00:00", "ns"), "2024-01-05T10:00:00")
    assert found({"$in": np.array(["2024-01-05"], "datetime64[D]")}, "2024-01-05")
    with pytest.raises(errors.BadArgument, match=r"the filter's on is (np|numpy)\.datetime64.*NaT"):
        to_jsonpath({"on": np.datetime64("NaT")})


def test_search_compares_them(client: ragpg.Client) -> None:
    docs = client.collection("docs")
    moments = {
        "new_york": "2024-03-10T23:30:00-05:00", "utc": "2024-03-11T01:00:00Z",
        "day": "2024-03-11", "naive": datetime(2024, 3, 11, 2),
    }  # fmt: skip
    docs.add(
        records=[
            {"text": f"refund {name}", "source": name, "metadata": {"on": moment, "n": {"a": 1}}}
            for name, moment in moments.items()
        ]
    )

    def sources(filter: Any) -> set[str]:
        return {hit.source for hit in docs.search("refund", filter=filter)}

    assert sources({"on": {"$gte": datetime(2024, 3, 11, 3, tzinfo=UTC)}}) == {"new_york"}
    assert sources({"on": {"$lt": datetime(2024, 3, 11, 1, 30, tzinfo=UTC)}}) == {"utc", "day"}
    assert sources({"$or": [{"on": time(1)}, {"on": {"$gt": datetime(2024, 3, 11, 1)}}]}) == {
        "new_york", "naive"
    }  # fmt: skip
    assert sources({"n.a": 1, "on": {"$not": {"$lt": datetime(2024, 3, 11, 2)}}}) == {
        "new_york", "naive"
    }  # fmt: skip
