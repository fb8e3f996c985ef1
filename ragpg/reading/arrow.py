"""Parquet, Arrow and Feather files, and tables in memory: rows, some thousand at a time.

Needs pyarrow (extra `parquet`). Memory is that of one batch, whatever the file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.finding import odd_kind
from ragpg.reading.remote import RemoteFile

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise LoadError(
        "Parquet and Arrow need pyarrow, which is not here: pip install 'ragpg[parquet]'"
    ) from error

OnBad = Callable[[str], None]
"""Hears of rows that cannot be read, and why; the others are read nevertheless."""
Batches = Iterator[tuple[int, Any]]
"""Record batches, each with the number of its first row, from 1."""
_AT_ONCE = 8192  # rows
_BYTES_AT_ONCE = 64 * 2**20  # of numbers in a vector column


@dataclass(frozen=True, slots=True)
class Opened:
    """A table that can be read once: its schema, its rows if it is known how many there are."""

    schema: Any
    rows: int | None
    read: Callable[[list[str], int, OnBad], Batches] = field(repr=False)

    def batches(self, names: list[str], on_bad: OnBad) -> Batches:
        """Yields the named columns, as many rows at once as are no burden to memory."""
        size = max([1, *(_width(self.schema.field(name).type) for name in names)])
        yield from self.read(names, max(1, min(_AT_ONCE, _BYTES_AT_ONCE // (8 * size))), on_bad)


def _width(kind: Any) -> int:
    return int(kind.list_size) if pa.types.is_fixed_size_list(kind) else 1


def open_file(path: Path | RemoteFile) -> Opened:
    """Returns the table in a file; raises LoadError for what holds none.

    It is read as what its first bytes say: Parquet, an Arrow file (Feather), or an Arrow stream,
    which is what the `.arrow` files of Hugging Face's datasets are.
    """
    try:
        if isinstance(path, RemoteFile):
            source = pa.BufferReader(path.read())
        elif kind := odd_kind(path):
            raise LoadError(f"{path} is no file but {kind}")
        else:
            source = pa.OSFile(str(path))  # no memory map: a file that shrinks would be a crash
        head = bytes(source.read(6))
        source.seek(0)
        return _opened(path, source, head)
    except OSError as error:  # pyarrow's own among them
        raise LoadError(f"{path} cannot be read: {_reason(error)}") from error
    except (pa.ArrowException, ValueError) as error:
        raise LoadError(
            f"{path} is cut off, damaged or no {path.suffix} file: {_reason(error)}"
        ) from error


def _opened(path: Path | RemoteFile, source: Any, head: bytes) -> Opened:
    if not head:
        raise LoadError(f"{path} is empty")
    if head.startswith(b"PARE"):
        raise LoadError(f"{path} is encrypted: write it without encryption")
    if head.startswith(b"FEA1"):
        raise LoadError(f"{path} is Feather of version 1: write it anew, as version 2 or Parquet")
    if head.startswith(b"PAR1"):
        return _parquet(pq.ParquetFile(source))
    if head == b"ARROW1":
        return _arrow_file(pa.ipc.open_file(source))
    return _stream(pa.ipc.open_stream(source), None)


def _parquet(file: Any) -> Opened:
    def read(names: list[str], size: int, on_bad: OnBad) -> Batches:
        first = 1
        for group in range(file.num_row_groups):
            at, end = first, first + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(size, row_groups=[group], columns=names):
                    yield at, batch
                    at += len(batch)
            except (pa.ArrowException, OSError) as error:
                on_bad(f"rows {at:,} to {end - 1:,} cannot be read: {_reason(error)}")
            first = end

    return Opened(file.schema_arrow, file.metadata.num_rows, read)


def _arrow_file(file: Any) -> Opened:
    def read(names: list[str], size: int, on_bad: OnBad) -> Batches:
        first = 1
        for number in range(file.num_record_batches):
            try:
                batch = file.get_batch(number)
            except (pa.ArrowException, OSError) as error:
                # How many rows it has is not known, and a row's number may be all that names it.
                on_bad(f"what comes after row {first - 1:,} cannot be read: {_reason(error)}")
                return
            yield from _pieces(first, batch, size)
            first += len(batch)

    return Opened(file.schema, None, read)


def _stream(reader: Any, rows: int | None) -> Opened:
    def read(names: list[str], size: int, on_bad: OnBad) -> Batches:
        first = 1
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (pa.ArrowException, OSError) as error:
                on_bad(f"what comes after row {first - 1:,} cannot be read: {_reason(error)}")
                return
            yield from _pieces(first, batch, size)
            first += len(batch)

    return Opened(reader.schema, rows, read)


def _pieces(first: int, batch: Any, size: int) -> Batches:
    for start in range(0, len(batch), size):
        yield first + start, batch.slice(start, size)


def open_object(given: Any) -> Opened:
    """Returns the table in what gives Arrow data: pyarrow's, polars', pandas', DuckDB's."""
    many = given if isinstance(given, list | tuple) else [given]
    try:
        if not all(hasattr(one, "__arrow_c_array__") for one in many):
            if len(many) > 1:
                raise LoadError("give one table, or record batches: these are several tables")
            (one,) = many
            rows = getattr(one, "num_rows", None)
            if rows is None and hasattr(one, "__len__"):
                rows = len(one)
            return _stream(pa.RecordBatchReader.from_stream(one), rows)
        batches = [pa.record_batch(one) for one in many]
        table = pa.Table.from_batches(batches)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise LoadError(f"the records are no table: {_reason(error)}") from error
    return _stream(table.to_reader(), len(table))


def _reason(error: Exception) -> str:
    """Returns the first line of what pyarrow says: what follows is its own call stack."""
    told = str(error).strip().split("\n")[0].rstrip(".")
    return "it is encrypted" if "crypt" in told else told or type(error).__name__
