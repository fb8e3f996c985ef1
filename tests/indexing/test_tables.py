"""Rows of Parquet and Arrow files, and of tables in memory, as documents."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import polars
import psycopg
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

import ragpg
from ragpg import errors

from ..conftest import ROOT, WordEmbedder
from .adding import CHECK, value
from .tables import VECTORS, faq, vectors, write


def reasons(report: ragpg.AddReport) -> dict[str, str]:
    """Returns what was wrong, by the last part of the source."""
    return {
        one.source.rpartition("#")[2] or one.source: one.reason.partition(", row ")[2]
        for one in report.failures
    }


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows", ".feather"])
def test_rows_of_a_file_are_documents_with_their_embeddings(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection, tmp_path: Path, suffix: str
) -> None:
    held, tier = client.collection(), ["pro", "free"] * 10
    path = write(faq(tier=tier, title=[f"T{n}" for n in range(20)]), tmp_path / f"faq{suffix}")
    words.embedded.clear()
    told: list[int] = []
    first = held.add(path, progress=lambda **given: told.append(given["total"]))
    assert (first.added, first.failed, first.failures, first.skipped) == (20, 0, (), ())
    assert set(words.embedded) <= {"probe"} or not any("refund" in one for one in words.embedded)
    assert told[-1] == 20
    one = held.documents(sources=[f"{path}#q3"], texts=True)[0]
    assert (one.title, one.text) == ("T3", "The refund number 3 takes five days.")
    assert one.metadata == {"id": "q3", "tier": "free"}
    (hit,) = held.search("", 1, query_embedding=VECTORS[3], mode="vector", filter={"id": "q3"})
    assert held.embeddings([hit])[0] == pytest.approx(VECTORS[3])
    assert held.add(path).unchanged == 20
    changed = faq(tier=["pro", "other"] * 10, title=[f"T{n}" for n in range(20)])
    again = held.add(write(changed, path))
    assert (again.updated, again.unchanged) == (10, 10)
    assert value(sql, CHECK) == 0


def test_rows_without_an_embedding_column_are_embedded(
    client: ragpg.Client, words: WordEmbedder, tmp_path: Path
) -> None:
    table = pa.table({"body": ["The refund.", "The login."], "n": [1, 2]})
    held = client.collection()
    report = held.add(write(table, tmp_path / "plain.parquet"))
    assert (report.added, report.chunks_embedded) == (2, 2)
    assert [one.source for one in held.documents()] == [
        f"{tmp_path}/plain.parquet#1",
        f"{tmp_path}/plain.parquet#2",
    ]
    assert held.search("login", 1)[0].content == "The login."


def test_a_folder_with_tables_in_it(client: ragpg.Client, tmp_path: Path) -> None:
    write(faq(5), tmp_path / "one.parquet")
    write(faq(0), tmp_path / "none.parquet")
    write(faq(0), tmp_path / "nothing.arrow")
    (tmp_path / "note.md").write_text("The login.")
    report = client.collection().add(tmp_path)
    assert (report.added, report.failed) == (6, 0)
    assert [(one.path, one.reason) for one in report.skipped] == [
        (f"{tmp_path}/none.parquet", "a table without rows"),
        (f"{tmp_path}/nothing.arrow", "a table without rows"),
    ]


def test_sync_deletes_the_rows_that_are_gone(client: ragpg.Client, tmp_path: Path) -> None:
    path, held = write(faq(20), tmp_path / "faq.parquet"), client.collection()
    held.add(tmp_path)
    write(faq(18), path)
    assert held.add(tmp_path).deleted == 0
    assert held.add(tmp_path, sync=True).deleted == 2
    assert len(held.documents()) == 18
    path.write_bytes(path.read_bytes()[:-20])
    report = held.add(tmp_path, sync=True)
    assert (report.failed, report.deleted) == (1, 0)
    write(faq(2), path)
    with pytest.raises(errors.TooManyVanished):
        held.add(tmp_path, sync=True)
    path.unlink()
    assert held.add(tmp_path, sync=True, max_deleted_share=1).deleted == 18


def test_columns_of_other_names(client: ragpg.Client, tmp_path: Path) -> None:
    table = pa.table(
        {"key": ["a", "b"], "body": ["x", "y"], "passage": ["The refund.", "The login."],
         "emb": vectors(2), "head": ["H1", "H2"]}
    )  # fmt: skip
    path, held = write(table, tmp_path / "t.parquet"), client.collection()
    columns = {"text": "passage", "source": "key", "embedding": "emb", "title": "head"}
    assert held.add(path, columns=columns).added == 2
    one = held.documents(sources=[f"{path}#a"], texts=True)[0]
    assert (one.text, one.title, one.metadata) == ("The refund.", "H1", {"key": "a", "body": "x"})
    with pytest.raises(errors.BadArgument, match='not for "texts"'):
        held.add(path, columns={"texts": "passage"})
    (failure,) = held.add(path, columns={"text": "words"}).failures
    assert 'no column "words", but key (string), body (string)' in failure.reason
    (failure,) = held.add(path, columns={"embedding": "body"}).failures
    assert 'the column "body" is string, which is no embedding' in failure.reason
    again = client.collection("again").add(path, columns={"text": "passage", "embedding": None})
    assert (again.added, again.chunks_embedded) == (2, 2)


def test_a_table_without_a_text_says_what_it_has(client: ragpg.Client, tmp_path: Path) -> None:
    write(pa.table({"a": [1], "text": [2]}), tmp_path / "t.parquet")
    (failure,) = client.collection().add(tmp_path).failures
    assert "no column of text called text, content, body or page_content" in failure.reason
    assert "a (int64), text (int64)" in failure.reason and "--column text=NAME" in failure.reason


@pytest.mark.parametrize("kind", ["fixed", "list", "large", "double", "half", "decimal", "tensor"])
def test_what_is_wrong_with_a_row_is_told_and_the_rest_done(
    client: ragpg.Client, tmp_path: Path, kind: str
) -> None:
    rows: list[Any] = VECTORS[np.arange(10) % 8].tolist()
    rows[2] = None
    rows[4] = [None, *rows[4][1:]]
    is_fixed = kind in ("fixed", "half", "tensor")
    if not is_fixed:
        rows[3] = [1.0, 0.0]
    if kind != "decimal":
        rows[5] = [float("nan"), *rows[5][1:]]
        rows[6] = [float("inf"), *rows[6][1:]]
    types = {
        "fixed": pa.list_(pa.float32(), 8),
        "list": pa.list_(pa.float32()),
        "large": pa.large_list(pa.float32()),
        "double": pa.list_(pa.float64()),
        "half": pa.list_(pa.float16(), 8),
        "decimal": pa.list_(pa.decimal128(9, 4)),
        "tensor": pa.list_(pa.float32(), 8),
    }
    if kind == "decimal":
        rows = [one and [x if x is None else decimal.Decimal(str(x)) for x in one] for one in rows]
    embedding = pa.array(rows, types[kind])
    if kind == "tensor":
        tensor = pa.fixed_shape_tensor(pa.float32(), [8])
        embedding = pa.ExtensionArray.from_storage(tensor, embedding)
    texts = [f"The refund {n}." for n in range(10)]
    table = pa.table({"id": [f"q{n}" for n in range(10)], "embedding": embedding,
                      "text": [None, " ", *texts[2:]]})  # fmt: skip
    report = client.collection().add(write(table, tmp_path / "bad.parquet", rows=3))
    finite = "its embedding holds a number that is null or not finite (NaN, infinite)"
    wrong = {"q0": "1: its text is null", "q1": "2: it holds no text",
             "q2": "3: its embedding is null", "q4": f"5: {finite}"}  # fmt: skip
    if kind != "decimal":
        wrong |= {"q5": f"6: {finite}", "q6": f"7: {finite}"}
    if not is_fixed:
        wrong["q3"] = (
            "4: its embedding has 2 dimensions, those of words, the collection's model, have 8"
        )
    assert reasons(report) == wrong
    assert report.added == 10 - len(wrong)


def test_texts_and_metadata_of_every_type(client: ragpg.Client, tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 5, 1, 9, 30, tzinfo=datetime.UTC)
    struct = pa.struct([("a", pa.int64()), ("at", pa.timestamp("ns"))])
    table = pa.table(
        {
            "id": pa.array([7, 8], pa.int32()),
            "text": pa.array(["The refund.", "The refund."]).dictionary_encode(),
            "title": pa.array(["A", None], pa.large_string()),
            "price": pa.array([decimal.Decimal("1.10"), None]),
            "at": pa.array([moment, moment], pa.timestamp("ns", "UTC")),
            "day": pa.array([datetime.date(2026, 5, 1), None]),
            "far": pa.array([2**60, 0], pa.timestamp("s")),  # a year Python has not
            "deep": pa.array([{"a": 1, "at": moment.replace(tzinfo=None)}, None], struct),
            "pairs": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
            "tags": pa.array([["a", "b"], None], pa.list_(pa.string())),
            "tier": pa.array(["pro", "pro"]).dictionary_encode(),
            "nan": pa.array([float("nan"), 1.5]),
            "flag": pa.array([True, False]),
            "uuid": pa.array([uuid.UUID(int=1).bytes, None], pa.uuid()),
            "metadata": pa.array([{"year": 2026}, {"year": None}]),
            "picture": pa.array([b"\xff\xd8", None]),
            "took": pa.array([datetime.timedelta(1), None]),
            "other_vector": pa.array([[0.0] * 384] * 2, pa.list_(pa.float32(), 384)),
        }
    )
    held, path = client.collection(), write(table, tmp_path / "all.arrow")
    report = held.add(path)
    assert (report.added, report.failures) == (2, ())
    assert [one.reason for one in report.skipped] == [
        'a column that metadata cannot hold: "picture" (binary)',
        'a column that metadata cannot hold: "took" (duration[us])',
        'a column that metadata cannot hold: "other_vector" (fixed_size_list<item: float>[384])',
    ]
    one, two = (held.documents(sources=[f"{path}#{n}"])[0] for n in (7, 8))
    assert (one.title, two.title) == ("A", "all.arrow#8")
    at = "2026-05-01T09:30:00"
    assert one.metadata == {
        "id": 7, "price": 1.1, "at": f"{at}+00:00", "day": "2026-05-01", "deep": {"a": 1, "at": at},
        "pairs": {"k": 1}, "tags": ["a", "b"], "tier": "pro", "flag": True,
        "uuid": str(uuid.UUID(int=1)), "year": 2026,
    }  # fmt: skip
    assert two.metadata["nan"] == 1.5 and two.metadata["far"] == "1970-01-01T00:00:00"
    assert held.search("refund", filter={"price": {"$lt": 2}})[0].source == f"{path}#7"


def test_ids_that_come_again_null_ids_and_paragraphs(client: ragpg.Client, tmp_path: Path) -> None:
    table = pa.table(
        {"id": ["a", "a", None, " "], "content": [["One.", "Two."], ["Three."], ["4"], ["5"]]}
    )
    held, path = client.collection(), write(table, tmp_path / "t.parquet", rows=1)
    assert held.add(path).added == 4
    found = {one.source: one.text for one in held.documents(texts=True)}
    assert found == {
        f"{path}#a": "One.\n\nTwo.", f"{path}#a#1": "Three.", f"{path}#3": "4", f"{path}#4": "5"
    }  # fmt: skip
    assert held.add(path, sync=True).unchanged == 4


def test_text_that_is_bytes_is_utf_8(client: ragpg.Client, tmp_path: Path) -> None:
    """As Spark and Impala wrote strings, without saying that they are."""
    table = pa.table({"text": pa.array(["Grüße".encode(), b"\xff\xfe", b"a\0b"], pa.binary())})
    held, path = client.collection(), tmp_path / "t.parquet"
    report = held.add(write(table, path))
    assert [one.text for one in held.documents(texts=True)] == ["Grüße", "ab"]
    assert "row 2: its text cannot be read: 'utf-8' codec" in report.failures[0].reason


def test_files_that_are_no_tables(client: ragpg.Client, tmp_path: Path) -> None:
    whole = write(faq(1000), tmp_path / "whole.parquet", rows=100).read_bytes()
    (tmp_path / "whole.parquet").unlink()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "text.arrow").write_text("The refund.")
    (tmp_path / "old.feather").write_bytes(b"FEA1" + b"\0" * 40)
    (tmp_path / "good.md").write_text("The login.")
    report = client.collection().add(tmp_path)
    assert (report.added, report.failed) == (1, 4)
    told = {Path(one.source).name: one.reason for one in report.failures}
    assert "cut off, damaged or no .parquet file" in told["cut.parquet"]
    assert told["empty.parquet"] == f"{tmp_path}/empty.parquet is empty"
    assert "cut off, damaged or no .arrow file" in told["text.arrow"]
    assert "Feather of version 1" in told["old.feather"]


class Keys(encryption.KmsClient):  # type: ignore[misc]
    """Keys that are no secret, as pyarrow's own tests have them."""

    def __init__(self, config: Any) -> None:
        encryption.KmsClient.__init__(self)

    def wrap_key(self, key: bytes, name: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: bytes, name: str) -> bytes:
        return base64.b64decode(wrapped)


@pytest.mark.parametrize("plain_footer", [False, True])
def test_an_encrypted_file(client: ragpg.Client, tmp_path: Path, plain_footer: bool) -> None:
    names = {"footer_key": "f", "column_keys": {"c": ["text"]}, "plaintext_footer": plain_footer}
    factory = encryption.CryptoFactory(Keys)
    kms, how = encryption.KmsConnectionConfig(), encryption.EncryptionConfiguration(**names)
    properties, path = factory.file_encryption_properties(kms, how), tmp_path / "secret.parquet"
    with pq.ParquetWriter(path, faq().schema, encryption_properties=properties) as file:
        file.write_table(faq())
    (failure,) = client.collection().add(path).failures
    assert failure.source == str(path) and "is encrypted" in failure.reason


def test_a_table_of_another_model(client: ragpg.Client, tmp_path: Path) -> None:
    held = client.collection()
    held.add(text="The login.", source="one")
    table = faq(4).set_column(2, "embedding", pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float32(), 2)))
    report = held.add(write(table, tmp_path / "t.parquet"))
    assert (report.added, report.failed) == (0, 4)
    assert "have 8" in report.failures[0].reason


def test_polars_writes_files_that_are_read(client: ragpg.Client, tmp_path: Path) -> None:
    frame = polars.DataFrame(
        {"id": ["a", "b"], "text": ["The refund.", "The login."], "kind": ["x", "y"]},
        schema_overrides={"kind": polars.Categorical},
    ).with_columns(embedding=polars.Series(VECTORS[:2], dtype=polars.Array(polars.Float32, 8)))
    frame.write_parquet(tmp_path / "p.parquet")
    frame.write_ipc(tmp_path / "p.arrow")
    frame.write_ipc_stream(tmp_path / "s.arrows")
    held = client.collection()
    report = held.add(tmp_path)
    assert (report.added, report.failed, report.chunks_embedded) == (6, 0, 0)
    assert held.documents()[0].metadata == {"id": "a", "kind": "x"}


def test_memory_stays_that_of_a_batch(client: ragpg.Client, tmp_path: Path) -> None:
    """Of the rows that are stored only the sources are kept: no text, and no vector."""
    count = 30_000
    flat = pa.array(np.zeros(count * 1024, np.float32) + 1)
    columns = {"text": ["x " * 200] * count,
               "embedding": pa.FixedSizeListArray.from_arrays(flat, 1024)}  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", compression="none",
                   use_dictionary=False)  # fmt: skip
    code = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from ragpg.reading import arrow, arrow_columns
import numpy, ragpg.indexing.tables
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
opened = arrow.open_file(Path(sys.argv[1]))
columns = arrow_columns.choose_columns(opened.schema, {{}})
rows = 0
for first, batch in opened.batches(columns.read(), print):
    rows += len(arrow_columns.vectors(batch.column("embedding")))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "t.parquet")],
                          capture_output=True, text=True)  # fmt: skip
    rows, megabytes = map(int, done.stdout.split())
    assert rows == count and megabytes < 100, "the vectors are 117 MB"


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["pyarrow"] = None
from pathlib import Path
from ragpg.errors import LoadError
from ragpg.indexing.tables import TableFile
try:
    TableFile("t", Path("t.parquet")).open({})
except LoadError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "pip install 'ragpg[parquet]'" in done.stdout, done.stderr


def test_the_command_line_takes_tables(url: str, tmp_path: Path) -> None:
    table = pa.table({"passage": ["The refund.", None], "emb": vectors(2)})
    path = write(table, tmp_path / "t.parquet")
    columns = ["--column", "text=passage", "--column", "embedding=emb"]

    def ragpg_(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"RAGPG_DATABASE_URL": url, "RAGPG_EMBEDDING_MODEL": "given/records@8"}
        command = [sys.executable, "-m", "ragpg", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **environment}
        )

    done = ragpg_("add", str(path), *columns, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["added"], told["failed"]) == (1, 1, 1), done.stderr
    assert told["failures"][0]["reason"] == f"{path}#2, row 2: its text is null"
    assert (
        "says no field and name: --column text=body"
        in ragpg_("add", str(path), "--column", "a").stderr
    )
    inspected = ragpg_("inspect", str(path))
    assert "its rows are read by `ragpg add`" in inspected.stdout + inspected.stderr
