"""Metadata of Python's types: stored as filters ask for it, or refused by the key's name."""

from __future__ import annotations

import enum
import types
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg
from ragpg.models.embedding import Progress, Vectors

from .adding import value


class Tier(enum.Enum):
    PRO = "pro"


class Level(enum.IntEnum):
    HIGH = 3


NAME = uuid.UUID("e3a644d1-c80f-44c4-95a6-4460908c68b4")
TYPED: list[tuple[Any, str]] = [
    (date(2024, 1, 5), '"2024-01-05"'),
    (datetime(2024, 1, 5, 10, tzinfo=UTC), '"2024-01-05T10:00:00+00:00"'),
    (datetime(2024, 1, 5, 10), '"2024-01-05T10:00:00"'),
    (time(10, 30), '"10:30:00"'),
    (Decimal("9.90"), "9.90"),
    (Decimal("0.1234567890123456789012345678901234567890"),
     "0.1234567890123456789012345678901234567890"),
    (Decimal("-1E+30"), "-1000000000000000000000000000000"),
    (NAME, f'"{NAME}"'),
    (Tier.PRO, '"pro"'),
    (Level.HIGH, "3"),
    (2**53 + 1, "9007199254740993"),
    (-(2**70), "-1180591620717411303424"),
    (True, "true"),
    (None, "null"),
    (np.int64(3), "3"),
    (np.uint64(2**64 - 1), "18446744073709551615"),
    (np.float32(2.5), "2.5"),
    (np.float64(0.1), "0.1"),
    (np.longdouble(0.5), "0.5"),
    (np.bool_(False), "false"),
    (np.str_("x"), '"x"'),
    (np.datetime64("2024-01-05T10:00:00", "ns"), '"2024-01-05T10:00:00"'),
    (np.datetime64("2024-01-05"), '"2024-01-05"'),
    (np.array(7), "7"),
    ("日本 '\"\\ $", '"日本 \'\\"\\\\ $"'),
]  # fmt: skip


def test_values_are_stored_and_found(client: ragpg.Client, sql: psycopg.Connection) -> None:
    docs = client.collection("docs")
    report = docs.add(
        records=[
            {"text": f"refund {n}", "source": str(n), "metadata": {"of": {"it": [one]}, "n": n}}
            for n, (one, _) in enumerate(TYPED)
        ]
    )
    assert (report.added, report.failures) == (len(TYPED), ())
    for n, (one, text) in enumerate(TYPED):
        stored = "select (metadata #> '{of,it,0}')::text from ragpg.documents where source = %s"
        assert value(sql, stored, str(n)) == text
        for test in ({"of.it": one}, {"of": {"it": {"$in": [one]}}}):
            hits = docs.search("refund", k=50, filter={**test, "n": n})
            assert [hit.source for hit in hits] == [str(n)], (one, test)


def test_numbers_are_no_truth_values_nor_rounded(client: ragpg.Client) -> None:
    docs = client.collection("docs")
    values = {"int": 1, "bool": True, "odd": 2**53 + 1, "even": 2**53, "tenth": Decimal("0.1")}
    docs.add(
        records=[{"text": "refund", "source": s, "metadata": {"a": v}} for s, v in values.items()]
    )

    def sources(filter: Any) -> set[str]:
        return {hit.source for hit in docs.search("refund", filter=filter)}

    assert sources({"a": 1}) == sources({"a": 1.0}) == sources({"a": Decimal("1.00")}) == {"int"}
    assert sources({"a": True}) == sources({"a": np.bool_(True)}) == {"bool"}
    assert sources({"a": {"$gt": 2**53}}) == {"odd"}
    assert sources({"a": 0.1}) == {"tenth"}
    assert sources({"a": {"$lt": Decimal("0.10000000000000000001")}}) == {"tenth"}
    assert sources({"a": {"$in": np.array([1, 2**53])}}) == {"int", "even"}
    assert sources({"a": {"$in": range(3)}}) == {"int"}


@pytest.mark.parametrize(
    "key", ["a.b", "", ".", "a..b", 'a"b', "it's", "a\\b", "a$b", "ключ", "a b", "$.x"]
)
def test_keys_are_asked_as_they_are_written(client: ragpg.Client, key: str) -> None:
    docs = client.collection("docs")
    docs.add(text="refund", source="plain", metadata={key: 1, "in": {key: date(2024, 1, 5)}})
    docs.add(text="refund", source="other", metadata={"x": 1})
    tests: list[Any] = [{"in": {key: date(2024, 1, 5)}}, {"in": {key: {"$exists": True}}}]
    if not key.startswith("$"):
        tests += [{key: 1}, {key: {"$gt": 0}}, {"$nor": [{key: {"$ne": 1}}]}]
    else:
        tests = ['$."$.x" == 1']
    for test in tests:
        assert [hit.source for hit in docs.search("refund", filter=test)] == ["plain"], test
    if not key.startswith("$"):
        hits = docs.search("refund", filter={key: {"$exists": False}})
        assert [hit.source for hit in hits] == ["other"]


def test_a_key_with_a_dot_leads_into_objects_too(client: ragpg.Client) -> None:
    docs = client.collection("docs")
    given: dict[str, Any] = {"flat": {"a.b": 1}, "deep": {"a": {"b": 1}}, "no": {"a": 1}}
    for source, metadata in given.items():
        docs.add(text="refund", source=source, metadata=metadata)
    assert {hit.source for hit in docs.search("refund", filter={"a.b": 1})} == {"flat", "deep"}
    assert [hit.source for hit in docs.search("refund", filter={"a": {"b": 1}})] == ["deep"]
    assert [hit.source for hit in docs.search("refund", filter={"a.b": {"$ne": 1}})] == ["no"]


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


ITSELF: dict[str, Any] = {}
ITSELF["again"] = ITSELF
WRONG: list[tuple[Any, str]] = [
    ({"key": float("nan")}, "metadata.key is nan, which JSON cannot hold: leave it out"),
    ({"key": [1, {"a.b": float("-inf")}]}, r"metadata\.key\[1\]\['a\.b'\] is -inf"),
    ({"key": np.float32("inf")}, "metadata.key is inf"),
    ({"key": Decimal("sNaN")}, "metadata.key is sNaN"),
    ({"key": np.array([1, np.nan])}, r"metadata\.key\[1\] is nan"),
    ({"key": "a\0b"}, r"metadata\.key holds the character U\+0000.*remove it"),
    ({"key\0": 1}, r"a key of metadata holds the character U\+0000.*'key\\x00'"),
    ({"key": {"a"}}, r"metadata\.key is \{'a'\}: a set has no order, give a list"),
    ({"key": frozenset()}, "metadata.key is frozenset.*: a set has no order"),
    ({"key": b"a"}, r"metadata\.key is b'a': bytes are no text, give \.decode\(\)"),
    ({"key": bytearray(b"a")}, "metadata.key is .*: bytes are no text"),
    ({"key": timedelta(1)}, r"metadata\.key is .*: give a duration as a number"),
    ({"key": np.timedelta64(1, "ns")}, r"metadata\.key is .*: give a duration as a number"),
    ({"key": np.datetime64("NaT")}, "metadata.key is .*NaT"),
    ({"key": np.datetime64("20240-01-01")}, "metadata.key is .*: give a date of the years 1 to"),
    ({"key": object()}, "metadata.key is <object object at .*>: metadata and filters take text"),
    ({"key": 1j}, "metadata.key is 1j"),
    ({"key": len}, "metadata.key is <built-in function len>"),
    ({"key": np.complex64(1)}, "metadata.key is "),
    ({"key": 10**5000}, "metadata.key has more than 4,000 digits: give it as text"),
    ({"key": Decimal("1E+9999")}, "metadata.key has more than 4,000 digits"),
    ({"key": Decimal("1E-9999")}, "metadata.key has more than 4,000 digits"),
    ({"key": nested(2000)}, r"metadata\.key\[0\].* is nested more than 100 deep"),
    ({"key": ITSELF}, r"metadata\.key\.again.* or holds itself"),
    ({"key": {2024: 1}}, r"metadata\.key has a key that is no text, 2024: write str\(key\)"),
    ({date(2024, 1, 5): 1, "key": 1}, "metadata has a key that is no text, datetime.date"),
    ([("key", 1)], r"metadata is \[\('key', 1\)\]: give a dictionary"),
    ("key", "metadata is 'key': give a dictionary"),
]  # fmt: skip


@pytest.mark.parametrize("ready", [False, True])
def test_a_wrong_value_fails_its_record_alone(client: ragpg.Client, ready: bool) -> None:
    docs = client.collection("docs")
    records: list[dict[str, Any]] = []
    for n, (metadata, _) in enumerate(WRONG):
        records += [
            {"text": f"refund {n}", "source": f"bad {n}", "metadata": metadata},
            {"text": f"money {n}", "source": f"good {n}", "metadata": {"key": n}},
        ]
    if ready:
        for record in records:
            record["embedding"] = [1.0] * 8
    report = docs.add(records=records)
    assert (report.added, report.failed) == (len(WRONG), len(WRONG))
    reasons = {failure.source: failure.reason for failure in report.failures}
    for n, (_, message) in enumerate(WRONG):
        assert len(reasons[f"bad {n}"]) < 300
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(reasons[f"bad {n}"])


def test_what_was_stored_stays_when_its_metadata_become_wrong(client: ragpg.Client) -> None:
    docs = client.collection("docs")

    def add(metadata: Any) -> tuple[int, int, int, int]:
        report = docs.add(text="refund", source="a", metadata=metadata)
        return report.added, report.updated, report.unchanged, report.failed

    assert add({"price": "9.90"}) == (1, 0, 0, 0)
    assert add({"price": Decimal("9.90")}) == (0, 1, 0, 0)  # not the same as its text
    assert add({"price": Decimal("9.90")}) == (0, 0, 1, 0)
    assert add(types.MappingProxyType({"price": Decimal("9.90")})) == (0, 0, 1, 0)
    assert add({"price": {9.90}}) == (0, 0, 0, 1)
    assert [one.metadata for one in docs.documents()] == [{"price": 9.9}]


def test_lone_surrogates_are_stored_as_they_are_asked(client: ragpg.Client) -> None:
    docs = client.collection("docs")
    docs.add(text="refund", source="a", metadata={"k\ud800": "v\udfff"})
    assert docs.search("refund", filter={"k\ud800": "v\udfff"})
    assert [one.metadata for one in docs.documents()] == [{"k\ufffd": "v\ufffd"}]


def test_other_fields_of_a_record_are_metadata(
    client: ragpg.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = client.collection("held")
    record = {"text": "A refund.", "source": "a", "page": 3, "metadata": {"page": 4, "tier": "pro"}}
    held.add(records=[record | {"author": "Ann"}, {"text": "Money.", "source": "b", "page": 3}])
    found = {one.source: one.metadata for one in held.documents()}
    assert found == {"a": {"page": 4, "tier": "pro", "author": "Ann"}, "b": {"page": 3}}
    (failed,) = held.add(records=[{"text": "x", "source": "c", "page": {1: object()}}]).failures
    assert "page" in failed.reason
    embed = client.session.embedder.embed_documents

    def embed_some(texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        assert texts, "a change of metadata alone embeds nothing"
        return embed(texts, progress)

    monkeypatch.setattr(client.session.embedder, "embed_documents", embed_some)
    assert held.add(records=[record | {"author": "Bob"}]).updated == 1


def test_an_embedding_of_another_length_is_told_with_both(client: ragpg.Client) -> None:
    held = client.collection("held")
    held.add(records=[{"text": "A refund.", "source": "a"}])
    rows = [{"text": "x", "source": f"s{n}", "embedding": [1.0] * n} for n in (2, 8, 9)]
    report = held.add(records=rows)
    assert report.added == 1
    assert {one.source: one.reason[:33] for one in report.failures} == {
        "s2": "its embedding has 2 dimensions, t",
        "s9": "its embedding has 9 dimensions, t",
    }
    assert all("words, the collection's model, have 8" in one.reason for one in report.failures)
