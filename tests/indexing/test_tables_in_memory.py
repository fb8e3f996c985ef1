"""Tables of pyarrow and polars as records."""

from __future__ import annotations

from typing import Any

import polars
import psycopg
import pyarrow as pa
import pyarrow.dataset
import pytest

import ragpg
from ragpg import errors

from ..conftest import WordEmbedder
from .adding import CHECK, value
from .tables import faq


def in_memory(kind: str, table: Any) -> Any:
    made = {
        "table": lambda: table,
        "reader": lambda: pa.RecordBatchReader.from_batches(table.schema, table.to_batches(7)),
        "batch": lambda: table.combine_chunks().to_batches()[0],
        "batches": lambda: table.to_batches(max_chunksize=7),
        "polars": lambda: polars.from_arrow(table),
        "dataset": lambda: pyarrow.dataset.dataset(table).scanner(batch_size=7).to_reader(),
    }
    return made[kind]()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", ["table", "reader", "batch", "batches", "polars", "dataset"])
def test_records_that_are_a_table(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection, kind: str
) -> None:
    table = faq(20, tier=["pro", "free"] * 10).rename_columns({"id": "source"})
    held = client.collection()
    report = held.add(records=in_memory(kind, table))
    assert (report.added, report.failed, report.chunks_embedded) == (20, 0, 0)
    assert not any("refund" in one for one in words.embedded)
    rows = table.to_pylist()
    assert held.add(records=rows).unchanged == 20, "they are what the same dictionaries are"
    assert held.add(records=in_memory(kind, table)).unchanged == 20
    assert (held.documents()[0].metadata, value(sql, CHECK)) == ({"tier": "pro"}, 0)


def test_rows_in_memory_that_are_no_records(client: ragpg.Client) -> None:
    table = pa.table({"source": ["a", None, "b", "a", "c"], "text": ["A", "B", "", "D", "E"]})
    held = client.collection()
    report = held.add(records=table)
    assert report.added == 2 and [one.reason for one in report.failures] == [
        "records, row 2: its source is null or blank",
        "b, row 3: it holds no text",
        "a, row 4: a row before it has the same source, and is kept",
    ]
    assert held.add(records=table).unchanged == 2
    with pytest.raises(errors.BadArgument, match="say which identifies a row"):
        held.add(records=table.select(["text"]))
    with pytest.raises(errors.BadArgument, match="there is no column of text"):
        held.add(records=table.select(["source"]))
    with pytest.raises(errors.BadArgument, match="the records are no table"):
        held.add(records=polars.Series([1]))


def test_odd_columns(client: ragpg.Client) -> None:
    held = client.collection()
    odd = pa.table(
        {
            "source": ["a", "b"],
            "text": ["A", "B"],
            "media_type": pa.array([None, 7]),
            "embedding": pa.array([[], [1.0]], pa.list_(pa.float32())),
        }
    )
    report = held.add(records=odd.select(["source", "text", "media_type"]))
    assert (report.added, [one.source for one in report.failures]) == (1, ["b"])
    assert "row 2: media_type of 'b' is 7: give text" in report.failures[0].reason
    report = held.add(records=odd.drop_columns("media_type"))
    assert [one.reason.partition(": ")[2][:40] for one in report.failures] == [
        "embedding of 'a' has the shape (0,): giv",
        "its embedding has 1 dimensions, those of",
    ]
    twice = pa.table([["a"], ["A"], ["B"]], names=["source", "text", "text"])
    with pytest.raises(errors.BadArgument, match='there are 2 columns "text"'):
        held.add(records=twice)
    assert held.add(records=odd.slice(0, 0)).added == 0
    assert held.add(records=[]).added == 0


def test_several_tables_are_given_one_by_one(client: ragpg.Client) -> None:
    held, table = client.collection(), pa.table({"id": ["a"], "text": ["The refund."]})
    with pytest.raises(errors.BadArgument, match="these are several tables"):
        held.add(records=[table, table])
    with pytest.raises(errors.BadArgument, match="give a text or a table"):
        held.add(records=table, text="The login.", source="b")
    assert held.add(records=tuple(table.to_batches())).added == 1
