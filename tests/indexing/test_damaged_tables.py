"""Files of tables that are damaged or cut off: what can be read is, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ragpg

from .tables import faq, write


def test_what_a_damaged_file_still_holds(client: ragpg.Client, tmp_path: Path) -> None:
    path = write(faq(40), tmp_path / "t.parquet", rows=10)
    group = pq.ParquetFile(path).metadata.row_group(1).column(1)
    data = bytearray(path.read_bytes())
    start = group.dictionary_page_offset or group.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    report = client.collection().add(path)
    assert (report.added, report.failed) == (30, 1)
    assert f"{path}: rows 11 to 20 cannot be read" in report.failures[0].reason
    stream = write(faq(40), tmp_path / "t.arrows", rows=10)
    stream.write_bytes(stream.read_bytes()[:-1500])
    report = client.collection("stream").add(stream)
    assert report.added in (20, 30) and report.failed == 1
    assert f"what comes after row {report.added} cannot be read" in report.failures[0].reason


@pytest.mark.parametrize("name", ["t.parquet", "t.arrows"])
def test_sync_deletes_no_rows_that_could_not_be_read(
    client: ragpg.Client, tmp_path: Path, name: str
) -> None:
    held, path = client.collection(), write(faq(40), tmp_path / name, rows=10)
    assert held.add(path).added == 40
    data = bytearray(path.read_bytes())
    if name == "t.parquet":
        group = pq.ParquetFile(path).metadata.row_group(1).column(0)
        start = group.dictionary_page_offset or group.data_page_offset
        data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data[: -1500 if name == "t.arrows" else None])
    report = held.add(path, sync=True, max_deleted_share=1)
    assert (report.deleted, report.failed) == (0, 1)
    assert len(list(held.documents())) == 40


def test_after_a_damaged_batch_no_row_takes_anothers_place(
    client: ragpg.Client, tmp_path: Path
) -> None:
    batches = [
        pa.record_batch({"text": [f"Batch {n} of words, row {row}." for row in range(4)]})
        for n in range(3)
    ]
    path = tmp_path / "t.feather"
    with pa.ipc.new_file(path, batches[0].schema) as file:
        for batch in batches:
            file.write_batch(batch)
    held = client.collection()
    assert held.add(path).added == 12
    data = bytearray(path.read_bytes())
    with pa.ipc.open_file(path) as whole:
        at = data.index(b"Batch 1") - 60  # the batch's message, before its texts
        del whole
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    report = held.add(path)
    assert (report.added, report.updated, report.unchanged, report.failed) == (0, 0, 4, 1)
    assert "what comes after row 4 cannot be read" in report.failures[0].reason
