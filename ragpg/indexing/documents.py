"""Documents of a collection: listed, deleted, waited for; and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ragpg.arguments import tells
from ragpg.database import Database
from ragpg.indexing import document_queries as queries


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document; `indexed` is whether searches see its newest version."""

    source: str
    title: str
    media_type: str
    metadata: dict[str, Any]
    version: int
    characters: int
    chunks: int | None
    indexed: bool
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None
    document_id: int


@tells
@dataclass(frozen=True, slots=True)
class Versions:
    """What documents said before, and how to forget it: `collection.versions`."""

    database: Database
    collection: str

    def history(self, source: str) -> list[dict[str, Any]]:
        """Returns the versions of a document, newest first: rows of the view document_history."""
        return self.database.rows(queries.HISTORY, collection=self.collection, source=source)

    def text(self, source: str, version: int | None = None) -> str | None:
        """Returns the text of a document, or of an earlier version; None when there is none.

        A source that is not stored as such may be the end of one path, after a slash.
        """
        found: str | None = self.database.value(
            queries.SOURCE_TEXT, collection=self.collection, source=source, version=version
        )
        return found

    def erase(self, source: str) -> dict[str, int]:
        """Erases a document for good, with its versions and the answers that cite it.

        Returns how many documents, versions and answers went.
        """
        (gone,) = self.database.rows(
            queries.ERASE_DOCUMENT, collection=self.collection, source=source
        )
        return gone

    def prune(self, older_than: timedelta) -> int:
        """Deletes versions replaced longer ago, except cited ones; returns how many went."""
        gone = self.database.value(
            queries.PRUNE_VERSIONS, collection=self.collection, older_than=older_than
        )
        return int(gone)


def list_documents(database: Database, collection: str) -> list[DocumentInfo]:
    """Returns the collection's documents, by source."""
    return database.records(DocumentInfo, queries.DOCUMENTS, collection=collection)


def delete_document(database: Database, collection: str, source: str) -> bool:
    """Deletes a document with its chunks; returns whether there was one."""
    return bool(database.value(queries.DELETE_DOCUMENT, collection=collection, source=source))


def wait_until_indexed(
    database: Database, collection: str, source: str | None, timeout: float
) -> bool:
    """Waits until searches see the newest version of a document, or of all; False: too long."""
    return bool(
        database.value(
            queries.WAIT_UNTIL_INDEXED, collection=collection, source=source, seconds=timeout
        )
    )
