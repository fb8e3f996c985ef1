"""What is wrong with texts, in files or stored: the rows of `ragpg.corpus_problems`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from ragpg.arguments import tells
from ragpg.database import Connection, Database
from ragpg.errors import LoadError, UnknownCollection
from ragpg.inspection import queries
from ragpg.reading import RemoteFile, Skipped, find_files, load_documents


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a document; `source` is None for a line of many documents."""

    problem: str
    source: str | None
    detail: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What texts are and what is wrong with them.

    `overview` is the row of `ragpg.corpus_overview`; `failures` are the files that cannot be read,
    each with the reason.
    """

    overview: dict[str, Any]
    problems: tuple[Problem, ...]
    failures: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


@tells
@dataclass(frozen=True, slots=True)
class Inspector:
    """What a collection holds and what is wrong with it: `collection.inspection`."""

    database: Database
    collection: str

    def run(self) -> Inspection:
        """Returns the row of `ragpg.corpus_overview` and those of `ragpg.corpus_problems`."""
        with self.database.connection() as connection:
            return _inspect(connection, self.collection)

    def files(
        self,
        paths: Iterable[str | Path],
        *,
        language: str = "english",
        progress: Callable[[int, int], None] | None = None,
    ) -> Inspection:
        """Returns what is wrong with files, folders and globs; nothing of them stays stored.

        They are the documents of a collection of their own in a transaction that is rolled back.
        `language` is the text-search configuration they are meant for; `progress` hears how many
        files of how many are read. Raises LoadError when a path does not exist.
        """
        found = find_files(paths)
        failures: list[str] = []
        name = f"inspected {uuid.uuid4().hex}"
        with self.database.connection() as connection, connection.transaction(force_rollback=True):
            connection.execute(queries.EXPECT_LANGUAGE, {"language": language})
            connection.execute(queries.MAKE_COLLECTION, {"collection": name})
            for done, (source, path) in enumerate(found.files, 1):
                failures += _put(connection, name, source, path)
                if progress:
                    progress(done, len(found.files))
            seen = _inspect(connection, name)
        problems = tuple(one for one in seen.problems if one.problem != "not indexed")
        return Inspection(seen.overview, problems, tuple(failures), found.skipped)


def _put(
    connection: Connection, collection: str, source: str, path: Path | RemoteFile
) -> list[str]:
    """Stores the documents of a file; returns why what is missing could not be read."""
    failures: list[str] = []
    try:
        for part in load_documents(path, lambda _, error: failures.append(str(error))):
            document = {
                "collection": collection,
                "source": source + part.suffix,
                "content": part.document.content,
                "media_type": part.document.media_type,
            }
            connection.execute(queries.PUT_INSPECTED, document)
    except LoadError as error:
        failures.append(str(error))
    return failures


def _inspect(connection: Connection, collection: str) -> Inspection:
    given = {"collection": collection}
    overviews = connection.cursor(row_factory=dict_row)
    overview = overviews.execute(queries.CORPUS_OVERVIEW, given).fetchone()
    if overview is None:
        raise UnknownCollection(f'there is no collection "{collection}"')
    problems: psycopg.Cursor[Problem] = connection.cursor(row_factory=class_row(Problem))
    return Inspection(overview, tuple(problems.execute(queries.CORPUS_PROBLEMS, given)))
