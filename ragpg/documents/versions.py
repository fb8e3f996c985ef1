"""What documents said before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ragpg.arguments import tells
from ragpg.database import Database
from ragpg.documents import queries


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
