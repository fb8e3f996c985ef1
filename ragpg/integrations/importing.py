"""Another store's Postgres table, read as it is: its ids, texts, metadata and vectors.

Nothing is embedded but the first text, by which the model is known. Interrupted, the same call goes
on: what is stored already is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ragpg import AddReport, Client, settings
from ragpg.errors import BadArgument, ConnectionFailed, ModelMismatch
from ragpg.integrations import importing_queries as queries
from ragpg.models import GivenEmbedder

Rows = Iterator[dict[str, Any]]
_BATCH = 10_000  # records an `add`, which looks up what the collection holds already
_SAME = 0.98  # cosine; halves and hosted models do not give the same numbers twice


def import_table(
    client: Client,
    framework: str,
    table: str,
    *,
    collection: str,
    database_url: str | None = None,
    on_batch: Callable[[AddReport], None] = lambda report: None,
) -> None:
    """Adds the rows of a framework's table to a collection; `on_batch` hears of every 10,000.

    `framework` is one of `READERS`; `table` is in the client's database, or that of the URL. Raises
    ModelMismatch unless the client's embedder made the vectors, as far as one text shows.
    """
    if framework not in READERS:
        raise BadArgument(f'no tables of "{framework}" are known: {", ".join(READERS)}')
    url = settings.from_environment(database_url or client.database.url).database_url
    with _connected(url or "") as connection:
        rows = READERS[framework](connection, table)
        first = next(rows, None)
        if first is None:
            return
        _check_model(client, first)
        batch = [first, *islice(rows, _BATCH - 1)]
        while batch:
            on_batch(client.collection(collection).add(records=batch))
            batch = list(islice(rows, _BATCH))


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    """Yields a connection that only reads."""
    try:
        with psycopg.connect(url, application_name="ragpg import") as connection:
            connection.read_only = True
            yield connection
    except psycopg.OperationalError as error:
        raise ConnectionFailed(f"the tables cannot be read: {error}") from error


def _check_model(client: Client, row: dict[str, Any]) -> None:
    embedder, vector = client.session.embedder, np.asarray(row["embedding"], np.float32)
    if embedder.provider == GivenEmbedder.provider:
        return
    made = embedder.embed_documents([row["text"]])[0]
    cosine = 0.0
    if len(made) == len(vector):
        cosine = float(made @ vector) / max(float(np.linalg.norm(vector)), 1e-12)
    if cosine < _SAME:
        raise ModelMismatch(
            f'the vectors, of {len(vector)} dimensions, are not those of "{embedder.name}" (cosine '
            f"{cosine:.2f} of {row['source']!r:.80}): set RAGPG_EMBEDDING_MODEL to the model that "
            f"made them, or to given/NAME@{len(vector)} where it cannot be had"
        )


def _langchain(connection: psycopg.Connection, table: str) -> Rows:
    """Yields the rows of a collection of PGVector, or of a table of PGVectorStore."""
    with psycopg.ServerCursor(connection, "imported", row_factory=dict_row) as cursor:
        if _value(connection, queries.HAS_TABLE, table):
            name = sql.SQL(queries.TABLE_ROWS).format(table=sql.Identifier(table))
            for row in cursor.execute(name):
                yield _of_table(row["held"])
        elif _value(connection, queries.HAS_PGVECTOR, table):
            for row in cursor.execute(queries.PGVECTOR_ROWS, {"name": table}):
                yield _record(row["source"], row["text"], row["metadata"], row["embedding"])
        else:
            raise BadArgument(f'there is no table "{table}", nor tables of PGVector')


def _value(connection: psycopg.Connection, statement: Any, name: str) -> Any:
    row = connection.execute(statement, {"name": name}).fetchone()
    return row and row[0]


def _of_table(held: dict[str, Any]) -> dict[str, Any]:
    """Returns the record of a row of PGVectorStore: columns of its own are metadata, too."""
    try:
        source, text = held.pop("langchain_id"), held.pop("content")
        vector, known = held.pop("embedding"), held.pop("langchain_metadata", None)
    except KeyError as error:
        raise BadArgument(
            f"the table has no column {error}: it is none of PGVectorStore"
        ) from error
    held = {name: value for name, value in held.items() if not name.endswith("_tsv")}
    return _record(source, text, {**held, **(known or {})}, vector)


def _record(source: Any, text: str | None, metadata: Any, embedding: str) -> dict[str, Any]:
    return {
        "source": str(source),
        "text": text or "",
        "media_type": "text/plain",
        "metadata": metadata or {},
        "embedding": json.loads(embedding),
    }


READERS: dict[str, Callable[[psycopg.Connection, str], Rows]] = {"langchain": _langchain}
