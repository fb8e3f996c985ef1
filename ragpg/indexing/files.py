"""Files as what is to be taken in: hashed, those of several documents read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ragpg.database import Database
from ragpg.errors import LoadError
from ragpg.indexing.inputs import Failure, Input, fingerprint
from ragpg.reading import (
    MEDIA_TYPES,
    SEVERAL_MEDIA_TYPES,
    FoundFiles,
    LoadedPart,
    RemoteFile,
    Skipped,
    Wanted,
    clean_text,
    digest_of_file,
    find_files,
    load_documents,
    load_path,
)
from ragpg.reading.media_types import TABLE_MEDIA_TYPES

if TYPE_CHECKING:
    from ragpg.indexing.syncing import Sync
    from ragpg.indexing.tables import TableFile

Look = tuple[list[Input], list[Failure], list[Skipped], "Sync | None", list["TableFile"]]


def look(
    database: Database,
    collection: str,
    paths: Sequence[str | Path],
    wanted: Wanted,
    max_share: float,
    few: int,
    columns: Mapping[str, str | None],
    *,
    sync: bool,
) -> Look:
    """Returns what is there: inputs, what cannot be read, is left out, vanished, and tables.

    Raises TooManyVanished where that is more than may be deleted.
    """
    plan = None
    if sync:
        from ragpg.indexing.syncing import Sync, sync_paths

        single = [str(one) for one in paths if str(one).startswith(("http://", "https://"))]
        beginnings = sync_paths(paths)
        plan = Sync(database, collection, beginnings, max_share, few, wanted=wanted, single=single)
    found = find_files(paths, wanted)
    inputs, failures = inputs_of_files(found)
    tables = _tables_of(found)
    if plan:
        rows, unread = _rows_of(tables, columns)
        kept = [*(one.source for one in inputs), *rows]
        plan = plan.but(found, kept, [*failures, *unread])
        plan.check()
    return inputs, failures, list(found.skipped), plan, tables


def _tables_of(found: FoundFiles) -> list[TableFile]:
    if not any(map(_is_table, (path for _, path in found.files))):
        return []
    from ragpg.indexing.tables import TableFile

    return [TableFile(clean_text(one), path) for one, path in found.files if _is_table(path)]


def _is_table(path: Path | RemoteFile) -> bool:
    return MEDIA_TYPES.get(path.suffix.lower()) in TABLE_MEDIA_TYPES


def _rows_of(
    tables: Sequence[TableFile], columns: Mapping[str, str | None]
) -> tuple[list[str], list[Failure]]:
    """Returns the sources of the tables' rows, and the tables that cannot be read."""
    sources: list[str] = []
    unread: list[Failure] = []
    for table in tables:
        # Told when its rows are to be added.
        unreadable = partial(_note, unread, table.source)
        try:
            sources += table.sources(columns, unreadable)
        except LoadError as error:
            unreadable(str(error))
    return sources, unread


def _note(unread: list[Failure], source: str, reason: str) -> None:
    unread.append(Failure(source, reason))


def inputs_of_files(found: FoundFiles) -> tuple[list[Input], list[Failure]]:
    """Returns the inputs of what was found, and what of it cannot be read."""
    inputs: list[Input] = []
    failures: list[Failure] = []
    for source, path in found.files:
        if _is_table(path):
            continue
        read, failed = _inputs_of_file(clean_text(source), path)
        inputs += read
        failures += failed
    return inputs, failures


def _inputs_of_file(source: str, path: Path | RemoteFile) -> tuple[list[Input], list[Failure]]:
    """Returns the inputs for the documents of a file, and the parts of it that cannot be read.

    A file of one document is only hashed here. One of records or mails is read: each of its
    documents has a hash of its own, so that those that did not change cost nothing more.
    """
    failures: list[Failure] = []
    try:
        if MEDIA_TYPES.get(path.suffix.lower()) not in SEVERAL_MEDIA_TYPES:
            told = fingerprint(path.suffix.lower(), digest_of_file(path))
            return [Input(source, told, partial(load_path, path))], []
        parts = load_documents(
            path, lambda suffix, error: failures.append(Failure(source + suffix, str(error)))
        )
        return [_part_input(source, part) for part in parts], failures
    except LoadError as error:
        return [], [Failure(source, str(error))]
    except OSError as error:
        return [], [Failure(source, f"{source} cannot be read: {error.strerror}")]


def _part_input(source: str, part: LoadedPart) -> Input:
    told = json.dumps(asdict(part.document), sort_keys=True)
    return Input(source + part.suffix, fingerprint(told), lambda: part.document)
