"""Tables whose rows are documents: Parquet and Arrow files, and Arrow data in memory.

A table is read once and some thousand rows at a time, each of which is compared, stored and
forgotten before the next; of the rows before only their sources are kept.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ragpg.errors import BadArgument, LoadError
from ragpg.indexing.indexer import Indexer
from ragpg.indexing.inputs import Failure, Input, fingerprint, input_of_record
from ragpg.indexing.ready import embedder_of
from ragpg.indexing.recipes import ensure_index
from ragpg.indexing.tally import Tally
from ragpg.indexing.writing import Writer, indexed_hashes
from ragpg.reading import MEDIA_TYPES, RemoteFile, Skipped, clean_text
from ragpg.reading.loading import load_record, part_suffix
from ragpg.reading.media_types import PARQUET
from ragpg.reading.result import Reading
from ragpg.session import Session

if TYPE_CHECKING:
    from ragpg.reading.arrow import OnBad, Opened
    from ragpg.reading.arrow_columns import Columns

Given = Mapping[str, str | None]
"""Names of columns by what they hold (text, title, source, embedding); None is none of them."""
_SOURCES = ("source", "id", "_id", "url")  # of a table in memory: one is needed


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file whose rows are documents, called by its source and # with their id or number."""

    source: str
    path: Path | RemoteFile

    def open(self, given: Given) -> tuple[Opened, Columns]:
        """Returns its table and columns; raises LoadError for what is none."""
        from ragpg.reading.arrow import open_file
        from ragpg.reading.arrow_columns import choose_columns

        opened = open_file(self.path)
        try:
            return opened, choose_columns(opened.schema, given)
        except LoadError as error:
            raise LoadError(f"{self.path}: {error}") from error

    def sources(self, given: Given, on_bad: OnBad) -> list[str]:
        """Returns the sources of its rows, of which only the ids are read; hears what cannot be."""
        opened, columns = self.open(given)
        names = [columns.source] if columns.source else opened.schema.names[:1]
        seen: dict[str, int] = {}
        return [
            self.source + part_suffix(label or str(number), seen)
            for first, batch in opened.batches(names, on_bad)
            for number, label in enumerate(_labels(first, batch, columns), first)
        ]


def add_tables(
    session: Session,
    collection: str,
    tables: Sequence[Any],
    given: Given,
    recipe: tuple[str, int | None],
    tally: Tally,
    stop: threading.Event,
) -> list[Skipped]:
    """Makes the collection hold the rows of tables, and returns which of their columns it cannot.

    A row, or a file, that cannot be read has failed; Arrow data that are no table of documents
    raise BadArgument.
    """
    skipped: list[Skipped] = []
    hashes = indexed_hashes(session.database, collection)
    for table in tables:
        reading = _Reading(session, collection, table, recipe, tally, stop, hashes)
        try:
            skipped += reading.add(given)
        except LoadError as error:
            if not isinstance(table, TableFile):
                raise BadArgument(str(error)) from error
            tally.fail(Failure(table.source, str(error)))
    return skipped


@dataclass(slots=True)
class _Reading:
    """A table that is read once."""

    session: Session
    collection: str
    table: Any
    recipe: tuple[str, int | None]
    tally: Tally
    stop: threading.Event
    hashes: dict[str, bytes]
    seen: dict[str, int] = field(default_factory=dict)
    writer: Writer | None = None

    @property
    def name(self) -> str:
        return self.table.source if isinstance(self.table, TableFile) else "records"

    def add(self, given: Given) -> list[Skipped]:
        """Stores the rows that are new or changed, and returns what cannot be stored of any."""
        opened, columns = self._open(given)
        self.tally.total += opened.rows or 0
        self.tally.tell()
        rows = 0
        for first, batch in opened.batches(columns.read(), self._on_bad):
            if self.stop.is_set():
                break
            rows += len(batch)
            if opened.rows is None:
                self.tally.total += len(batch)
            self._write(list(self._inputs(first, batch, columns)))
        if not (rows or self.stop.is_set() or opened.rows):
            return [Skipped(self.name, "a table without rows")]
        return [
            Skipped(self.name, f'a column that metadata cannot hold: "{column}" ({kind})')
            for column, kind in columns.left_out
        ]

    def _open(self, given: Given) -> tuple[Opened, Columns]:
        if isinstance(self.table, TableFile):
            return self.table.open(given)
        from ragpg.reading.arrow import open_object
        from ragpg.reading.arrow_columns import choose_columns

        opened = open_object(self.table)
        columns = choose_columns(opened.schema, given, _SOURCES)
        if columns.source is None:
            raise LoadError(
                f"there is no column {', '.join(_SOURCES[:-1])} or {_SOURCES[-1]}: say which "
                'identifies a row, columns={"source": "NAME"}'
            )
        return opened, columns

    def _on_bad(self, reason: str) -> None:
        self.tally.fail(Failure(self.name, f"{self.name}: {reason}"))

    def _inputs(self, first: int, batch: Any, columns: Columns) -> Iterator[tuple[int, Input]]:
        """Yields the number of each row that is a document, and it; the others have failed."""
        from ragpg.reading import arrow_columns as of

        held = [of.values(batch.column(name)) for name in columns.others]
        texts = of.texts(batch.column(columns.text))
        titles = of.texts(batch.column(columns.title)) if columns.title else [None] * len(batch)
        vectors = of.vectors(batch.column(columns.embedding)) if columns.embedding else None
        for row, label in enumerate(_labels(first, batch, columns)):
            source = self._source(label, first + row)
            wrong = _wrong(texts[row], vectors[row] if vectors else b"")
            if source is None:
                source, wrong = self.name, "its source is null or blank"
            elif not isinstance(self.table, TableFile):
                if source in self.seen:
                    wrong = "a row before it has the same source, and is kept"
                self.seen[source] = 0
            if wrong:
                self._fail(source, first + row, wrong)
                continue
            titled = titles[row]
            title = clean_text(titled) if isinstance(titled, str) else None
            metadata = of.metadata(columns.others, held, row)
            vector = vectors[row] if vectors else None
            try:
                made = self._input(source, texts[row], title, metadata, vector)
            except BadArgument as error:
                self._fail(source, first + row, str(error))
            else:
                yield first + row, made

    def _source(self, label: str | None, number: int) -> str | None:
        """Returns the source of a row; that of a file's is the file's and what tells it apart."""
        if isinstance(self.table, TableFile):
            return self.table.source + part_suffix(label or str(number), self.seen)
        return clean_text(label) if label else None

    def _input(
        self, source: str, text: str, title: str | None, metadata: dict[str, Any], vector: Any
    ) -> Input:
        if not isinstance(self.table, TableFile):
            record = {"source": source, "text": text, "title": title, "embedding": vector}
            record |= {"media_type": metadata.pop("media_type", None), "metadata": metadata}
            metadata.pop("source", None)  # as in other records
            return input_of_record(record)
        kind = MEDIA_TYPES.get(self.table.path.suffix.lower(), PARQUET)
        told = json.dumps([title, metadata], sort_keys=True, default=repr)
        raw = b"" if vector is None else vector.tobytes()
        reading = Reading(title or "", text, metadata)
        load = partial(load_record, reading, media_type=kind, name=source)
        return Input(source, fingerprint(kind, text, told, raw), load, vector)

    def _write(self, given: list[tuple[int, Input]]) -> None:
        changed = [(n, one) for n, one in given if self.hashes.get(one.source) != one.source_hash]
        self.tally.unchanged += len(given) - len(changed)
        self.tally.tell()
        if not changed:
            return
        writer = self.writer = self.writer or self._writer(changed[0][1].embedding)
        index = writer.indexer.index
        wanted, items = index.probe.dimensions(), list[Input]()
        for number, one in changed:
            if one.embedding is None or len(one.embedding) == wanted:
                items.append(one)
            else:
                told = f"its embedding has {len(one.embedding)} dimensions"
                whose = f"those of {index.name}, the collection's model, have {wanted}"
                self._fail(one.source, number, f"{told}, {whose}")
        writer.write_all(items)

    def _writer(self, embedding: Any) -> Writer:
        embedder = self.session.embedder
        if embedding is not None:
            embedder = embedder_of(self.session, self.collection, len(embedding))
        index = ensure_index(self.session, self.collection, embedder, *self.recipe)
        indexer = Indexer(self.session, index)
        return Writer(self.session.database, self.collection, indexer, self.tally, self.stop)

    def _fail(self, source: str, number: int, reason: str) -> None:
        self.tally.fail(Failure(source, f"{source}, row {number:,}: {reason}"))


def _labels(first: int, batch: Any, columns: Columns) -> list[str | None]:
    """Returns what identifies each row, None where it has nothing that does."""
    if columns.source is None:
        return [None] * len(batch)
    from ragpg.reading.arrow_columns import texts

    found = texts(batch.column(columns.source))
    return [
        str(one).strip() or None if isinstance(one, str | int | UUID) else None for one in found
    ]


def _wrong(text: Any, vector: Any) -> str:
    """Returns why a row is no document, nothing where it is one."""
    if text is None:
        return "its text is null"
    if isinstance(text, Exception):
        return f"its text cannot be read: {text}"
    if not text.strip():
        return "it holds no text"
    if vector is None:
        return "its embedding is null"
    return vector if isinstance(vector, str) else ""
