"""Another store's Postgres table, read as it is: its ids, texts, metadata and vectors.

Nothing is embedded but the first text, by which the model is known. Interrupted, the same call goes
on: what is stored already is skipped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice

import numpy as np
import psycopg

from ragpg import AddReport, Client, settings
from ragpg.errors import BadArgument, ConnectionFailed, DatabaseError, ModelMismatch
from ragpg.indexing.inputs import Failure
from ragpg.integrations import importing_queries as queries
from ragpg.integrations.importing_columns import Columns
from ragpg.integrations.importing_readers import READERS, Found, Taken, Wanted
from ragpg.models import PROBE_TEXT, GivenEmbedder

_BATCH = 10_000  # rows an `add`, which looks up what the collection holds already
_SAME = 0.98  # cosine; halves and hosted models do not give the same numbers twice


def import_table(
    client: Client,
    framework: str,
    table: str,
    *,
    collection: str,
    database_url: str | None = None,
    schema: str | None = None,
    columns: Columns = Columns(),  # noqa: B008 (frozen)
    on_batch: Callable[[AddReport], None] = lambda report: None,
    on_note: Callable[[str], None] = lambda note: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    stop: threading.Event | None = None,
) -> None:
    """Adds the rows of a framework's table to a collection; `on_batch` hears of every 10,000.

    `framework` is one of `READERS`; `table`, or schema.table, is in the client's database, or that
    of the URL.
    `columns` are those of any table with vectors (pgvector): `on_note` hears which were taken, and
    what else to know. `progress` hears how many rows of all are done; `stop`, once set, ends it
    after the rows at hand. Raises ModelMismatch unless the client's embedder made the vectors, as
    far as one text shows.
    """
    if framework not in READERS:
        raise BadArgument(f'no tables of "{framework}" are known: {", ".join(READERS)}')
    if schema is None and framework != "langchain" and "." in table:  # its collections may have one
        schema, _, table = table.partition(".")
    url = settings.from_environment(database_url or client.database.url).database_url
    with _connected(url or "") as connection:
        found = READERS[framework](Wanted(connection, table, schema, columns))
        for note in [*found.notes, *_note_of(found.dimensions)]:
            on_note(note)
        rows, done, stop = _checked(client, found), 0, stop or threading.Event()
        while (batch := list(islice(rows, _BATCH))) and not stop.is_set():

            def listen(done: int, *, documents: int, **_: object) -> None:
                progress(done + documents, found.total)

            failures = tuple(one for one in batch if isinstance(one, Failure))
            records = [one for one in batch if not isinstance(one, Failure)]
            told = partial(listen, done + len(failures))
            report = client.collection(collection).add(records=records, progress=told, stop=stop)
            done += len(batch)
            failed = report.failed + len(failures)
            on_batch(replace(report, failed=failed, failures=failures + report.failures))


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    """Yields a connection that only reads."""
    try:
        with psycopg.connect(url, application_name="ragpg import") as connection:
            connection.read_only = True
            connection.execute(queries.NO_LIMITS)
            yield connection
    except psycopg.OperationalError as error:
        raise ConnectionFailed(f"the tables cannot be read: {error}") from error
    except psycopg.Error as error:  # such as a role that may not
        raise DatabaseError(f"the table cannot be read: {error}") from error


def _note_of(dimensions: list[tuple[int, int]]) -> list[str]:
    if len(dimensions) < 2:
        return []
    told = ", ".join(f"{rows:,} of {size}" for size, rows in dimensions)
    return [f"the vectors have several dimensions, {told}: those that are not the model's fail"]


def _checked(client: Client, found: Found) -> Iterator[Taken]:
    """Returns the rows; raises ModelMismatch when the client's model did not make the vectors."""
    embedder = client.session.embedder
    sizes = [size for size, _ in found.dimensions]
    if embedder.provider == GivenEmbedder.provider:
        size = len(embedder.embed_documents([PROBE_TEXT])[0])
        if sizes and size not in sizes:
            raise ModelMismatch(_mismatch(sizes[0], embedder.name, f"which has {size}"))
        return found.rows
    read: list[Taken] = []
    for row in found.rows:
        read.append(row)
        if isinstance(row, Failure) or (sizes and len(row["embedding"]) != sizes[0]):
            continue
        texts, vector = found.embedded(row), row["embedding"]
        if texts and vector.any():
            made, cosine = embedder.embed_documents(texts), 0.0
            if made.shape[1] == len(vector):
                cosine = float((made @ vector).max()) / float(np.linalg.norm(vector))
            if cosine < _SAME:
                why = f"cosine {cosine:.2f} of {row['source']!r:.80}"
                raise ModelMismatch(_mismatch(len(vector), embedder.name, why))
            break
    return chain(read, found.rows)


def _mismatch(dimensions: int, name: str, why: str) -> str:
    return (
        f'the vectors, of {dimensions} dimensions, are not those of "{name}" ({why}): set '
        "RAGPG_EMBEDDING_MODEL to the model that made them, or to "
        f"given/records@{dimensions} where it cannot be had"
    )
