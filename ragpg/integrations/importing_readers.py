"""What the tables of other stores hold, as records: LangChain's, LlamaIndex's, Haystack's, plain.

None of the frameworks has to be installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg

from ragpg.errors import BadArgument
from ragpg.indexing.inputs import Failure
from ragpg.integrations import importing_queries as queries
from ragpg.integrations.haystack_records import OTHER, WITHOUT, haystack_record
from ragpg.integrations.importing_columns import Columns, chosen_columns
from ragpg.integrations.importing_tables import Table, find_table, no_table, streamed
from ragpg.integrations.vectors import NODE_ID, given_text, text_of, title_of

Record = dict[str, Any]
Taken = Record | Failure


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a table by its name, perhaps in a schema, and columns by theirs."""

    connection: psycopg.Connection
    table: str
    schema: str | None
    columns: Columns

    def find(self, *names: str) -> Table:
        """Returns the first of the tables that is there; raises BadArgument without one."""
        for name in names:
            if table := find_table(self.connection, name, self.schema):
                return table
        raise no_table(self.connection, list(dict.fromkeys(names)), self.schema)


@dataclass(frozen=True, slots=True)
class Found:
    """A table's rows as records, how many, and (dimensions, rows) of their vectors."""

    rows: Iterator[Taken]
    total: int
    dimensions: list[tuple[int, int]]
    notes: list[str] = field(default_factory=list)
    embedded: Callable[[Record], list[str]] = lambda record: [record["text"]]
    """Returns what the model may have been given of a record, nothing where it was not."""


def _langchain(wanted: Wanted) -> Found:
    """Returns the rows of a collection of PGVector, or of a table of PGVectorStore."""
    table = find_table(wanted.connection, wanted.table, wanted.schema)
    if table is None:
        return _pgvector_collection(wanted)
    _require(table, "PGVectorStore", "langchain_id", "content", "embedding")
    rows = (_of_langchain(held) for held in table.rows())
    return Found(rows, table.count(), table.dimensions("embedding"))


def _pgvector_collection(wanted: Wanted) -> Found:
    name, connection = {"name": wanted.table}, wanted.connection
    known = connection.execute(queries.HAS_PGVECTOR).fetchone()
    if known != (True,):
        error = no_table(connection, [wanted.table], wanted.schema)
        raise BadArgument(f"{error}, nor tables of PGVector")
    row = connection.execute(queries.COUNT_PGVECTOR, name).fetchone()
    if row in (None, (0,)):
        raise BadArgument(
            f'there is no table "{wanted.table}", nor rows of a collection of PGVector'
        )
    rows = (_of_pgvector(held) for held in streamed(connection, queries.PGVECTOR_ROWS, name))
    table = Wanted(connection, "langchain_pg_embedding", None, Columns()).find(
        "langchain_pg_embedding"
    )
    notes, known_columns = list[str](), {one.name for one in table.columns}
    if "custom_id" in known_columns and "id" not in known_columns:
        repeated = connection.execute(queries.COUNT_REPEATED_PGVECTOR, name).fetchone()
        if repeated not in (None, (0,)):
            notes = [f"{repeated[0]:,} rows have the custom_id of another one: one of them is kept"]
    return Found(rows, row[0], table.dimensions("embedding"), notes)


def _of_pgvector(held: Record) -> Taken:
    """Returns the record of a row; before langchain-postgres it had a uuid, and perhaps an id."""
    source = held.get("id") or held.get("custom_id") or held.get("uuid")
    return _record(source, held["document"], held["embedding"], held["cmetadata"] or {})


def _of_langchain(held: Record) -> Taken:
    """Returns the record of a row: columns of its own are metadata, too."""
    source, text = held.pop("langchain_id"), held.pop("content")
    vector, known = held.pop("embedding"), held.pop("langchain_metadata", None)
    held = {name: value for name, value in held.items() if not name.endswith("_tsv")}
    return _record(source, text, vector, {**held, **(known or {})})


def _llamaindex(wanted: Wanted) -> Found:
    """Returns the nodes of a PGVectorStore, which puts data_ before the name of its table."""
    table = wanted.find(f"data_{wanted.table.lower()}", wanted.table)
    _require(table, "LlamaIndex's PGVectorStore", "node_id", "text", "metadata_", "embedding", "id")
    earlier = table.count(queries.COUNT_EARLIER_NODES)
    notes = [f"{earlier:,} rows are left out: a later one has their node's id"] if earlier else []
    rows = (_of_node(held) for held in table.rows(queries.NODE_ROWS))
    total, dimensions = table.count() - earlier, table.dimensions("embedding")
    return Found(rows, total, dimensions, notes, _texts_of_node)


def _of_node(held: Record) -> Taken:
    node_id, text = held["node_id"], held["text"]
    if node_id is None or text is None:
        return _record(node_id, text, held["embedding"], {}, row=f"row {held['id']}")
    given = given_text(text)
    metadata = given["metadata"] | (held["metadata_"] or {}) | {NODE_ID: node_id}
    taken = _record(node_id, given["text"], held["embedding"], metadata)
    return taken if isinstance(taken, Failure) else given | taken


def _texts_of_node(record: Record) -> list[str]:
    """Returns the texts LlamaIndex may have embedded: that of MetadataMode.EMBED, or the text.

    As `TextNode.get_content` and `BaseNode.get_metadata_str` of llama-index-core 0.14 make it.
    """
    text, node = text_of(record["metadata"], record["text"]), {}
    with suppress(KeyError, ValueError):
        node = json.loads(record["metadata"]["_node_content"])
    hidden = node.get("excluded_embed_metadata_keys") or ()
    shown = {k: v for k, v in (node.get("metadata") or {}).items() if k not in hidden}
    line = node.get("metadata_template") or "{key}: {value}"
    separator = node.get("metadata_separator") or node.get("metadata_seperator") or "\n"
    told = separator.join(line.format(key=key, value=str(one)) for key, one in shown.items())
    whole = node.get("text_template") or "{metadata_str}\n\n{content}"
    return [whole.format(content=text, metadata_str=told).strip(), text] if told else [text]


def _haystack(wanted: Wanted) -> Found:
    """Returns the documents of a PgvectorDocumentStore, those without an embedding, too."""
    table = wanted.find(wanted.table)
    _require(table, "Haystack's PgvectorDocumentStore", "id", "embedding", "content", "meta")
    dimensions = table.dimensions("embedding")
    if not dimensions:
        raise BadArgument(
            f'no row of "{table.name}" has a vector: add its texts, they are embedded'
        )
    rows = (_of_haystack(held, dimensions[0][0]) for held in table.rows())
    return Found(rows, table.count(), dimensions, embedded=_texts_of_document)


def _of_haystack(held: Record, dimensions: int) -> Taken:
    blob = held.get("blob_data")
    return haystack_record(
        held["id"],
        held["content"],
        held["meta"] or {},
        _vector(held["embedding"]),
        dimensions,
        blob=blob
        and {
            "data": list(bytes.fromhex(blob.removeprefix("\\x"))),
            "meta": held["blob_meta"] or {},
            "mime_type": held["blob_mime_type"],
        },
    )


def _texts_of_document(record: Record) -> list[str]:
    metadata = record["metadata"]
    with_both = metadata[OTHER]["has_content"] and WITHOUT not in metadata
    return [text_of(metadata, record["text"])] if with_both else []


def _pgvector(wanted: Wanted) -> Found:
    """Returns the rows of any table with a vector in it."""
    table = wanted.find(wanted.table)
    columns = chosen_columns(table, wanted.columns)
    assert columns.id is not None and columns.vector is not None
    is_key = any(one.is_key and one.name == columns.id for one in table.columns)
    if not is_key and (repeated := table.repeated(columns.id)):
        raise BadArgument(
            f'"{columns.id}" does not identify a row of "{table.name}": {repeated[1]} have '
            f"{repeated[0]!r:.60}. Name a column that does, --id COLUMN"
        )
    rows = (_of_plain(number, held, columns) for number, held in enumerate(table.rows(), 1))
    return Found(rows, table.count(), table.dimensions(columns.vector), [columns.told()])


def _of_plain(number: int, held: Record, columns: Columns) -> Taken:
    merged = held.get(columns.merged or "")
    known = dict(merged) if isinstance(merged, Mapping) else {}
    metadata = {
        name: held[name]
        for name in columns.metadata or ()
        if name != columns.merged or not isinstance(merged, Mapping | None)
    }
    text = held[columns.text] if columns.text in held else known.pop(columns.text or "", None)
    source, vector = held[columns.id or ""], held[columns.vector or ""]
    return _record(source, text, vector, {**metadata, **known}, row=f"row {number}")


def _record(source: Any, text: Any, vector: Any, metadata: Record, row: str = "a row") -> Taken:
    """Returns a record, or why there is none: nothing is embedded, so a row needs its vector."""
    missing = {"id": source, "text": text, "vector": vector}
    for name, value in missing.items():
        if value is None:
            return Failure(row if source is None else str(source), f"its {name} is null")
    if not isinstance(text, str):
        return Failure(str(source), f"its text is {text!r:.60}, no text")
    try:
        read = _vector(vector)
    except ValueError:
        return Failure(str(source), f"its vector is {vector!r:.60}, no list of numbers")
    plain = {"source": str(source), "text": text, "title": title_of(metadata)}
    return {**plain, "media_type": "text/plain", "metadata": metadata, "embedding": read}


def _vector(given: Any) -> np.ndarray[Any, Any] | None:
    """Returns a vector as text, or a list, as an array: a sixtieth of a list's memory."""
    read = json.loads(given) if isinstance(given, str) else given
    return None if read is None else np.asarray(read, np.float32)


def _require(table: Table, store: str, *names: str) -> None:
    known = {one.name for one in table.columns}
    missing = [name for name in names if name not in known]
    if missing:
        raise BadArgument(
            f'"{table.name}" is no table of {store}: it has no column {missing[0]!r}. Of any table '
            "with vectors, `ragpg import pgvector` takes columns by their names"
        )


READERS: dict[str, Callable[[Wanted], Found]] = {
    "langchain": _langchain,
    "llamaindex": _llamaindex,
    "haystack": _haystack,
    "pgvector": _pgvector,
}
