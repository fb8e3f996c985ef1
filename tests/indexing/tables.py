"""Tables of answers, each with its embedding, and files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

VECTORS = np.eye(8, dtype=np.float32)


def vectors(count: int, kind: Any = None) -> Any:
    flat = pa.array(VECTORS[np.arange(count) % 8].reshape(-1), kind or pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, 8)


def faq(count: int = 20, **more: Any) -> Any:
    """Returns a table of answers, each with its embedding."""
    texts = [f"The refund number {n} takes five days." for n in range(count)]
    columns = {"id": [f"q{n}" for n in range(count)], "text": texts, "embedding": vectors(count)}
    return pa.table({**columns, **more})


def write(table: Any, path: Path, rows: int = 7) -> Path:
    """Writes the table as what the path's suffix says, some rows in a group."""
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=rows)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, str(path), chunksize=rows)
    else:
        make = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with make(str(path), table.schema) as file:
            file.write_table(table, max_chunksize=rows)
    return path
