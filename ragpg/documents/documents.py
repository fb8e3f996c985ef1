"""Documents of a collection by filter or source: listed, deleted, changed, waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import numpy as np
from psycopg.types.json import Jsonb

from ragpg.documents import queries
from ragpg.errors import BadArgument, DatabaseError
from ragpg.models import Vectors
from ragpg.reading.metadata import json_text, shown, to_plain
from ragpg.search import Hit
from ragpg.search.filters import Filter, check_jsonpath, to_jsonpath
from ragpg.session import Session


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
    text: str | None = None  # where it was asked for


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents of a collection by filter or source: what `Collection` says of them, done here."""

    session: Session
    collection: str

    def find(
        self,
        filter: Filter | None,
        sources: Sequence[str] | None,
        limit: int | None,
        after: str | None,
        texts: bool,
    ) -> list[DocumentInfo]:
        """Returns the documents, by source, `limit` of them after a source."""
        page = {"page_size": limit, "after": after}
        parameters = self._chosen(filter, sources) | page | {"texts": texts}
        rows = self._rows(queries.DOCUMENTS, parameters)
        return [DocumentInfo(**row) for row in rows]

    def delete(
        self, filter: Filter | None, sources: Sequence[str] | None, dry_run: bool
    ) -> list[str]:
        """Deletes the documents; returns their sources."""
        parameters = self._chosen(filter, sources) | {"dry_run": dry_run}
        return self._sources(queries.DELETE_DOCUMENTS, parameters)

    def update(
        self,
        changes: Mapping[str, Any],
        filter: Filter | None,
        sources: Sequence[str] | None,
        dry_run: bool,
    ) -> list[str]:
        """Changes metadata; returns the sources of the documents that it changed."""
        if not isinstance(changes, Mapping):
            raise BadArgument(f"changes are a mapping of keys to values, not {shown(changes)}")
        parameters = self._chosen(filter, sources) | {
            "changes": Jsonb(to_plain(changes, "changes"), json_text),
            "dry_run": dry_run,
        }
        return self._sources(queries.UPDATE_METADATA, parameters)

    def embeddings(self, hits: Sequence[Hit]) -> Vectors:
        """Returns the hits' embeddings, of shape (hits, dimensions); BadArgument for one gone."""
        rows = self.session.database.rows(
            queries.CHUNK_EMBEDDINGS, chunk_ids=[hit.chunk_id for hit in hits]
        )
        gone = [hit.source for hit, row in zip(hits, rows, strict=True) if row["embedding"] is None]
        if gone:
            raise BadArgument(f"a hit of {gone[0]} was replaced since: search again")
        found = [row["embedding"].to_numpy() for row in rows]
        return np.array(found, dtype=np.float32)

    def wait_until_indexed(self, source: str | None, timeout: float) -> bool:
        """Waits until searches see the newest version of a document, or of all; False: too long."""
        return bool(
            self.session.database.value(
                queries.WAIT_UNTIL_INDEXED,
                collection=self.collection,
                source=source,
                seconds=timeout,
            )
        )

    def _chosen(self, filter: Filter | None, sources: Sequence[str] | None) -> dict[str, Any]:
        if isinstance(sources, str):
            raise BadArgument(f"sources are a list, not {sources!r}")
        return {
            "collection": self.collection,
            "filter": to_jsonpath(filter),
            "sources": None if sources is None else list(sources),
        }

    def _sources(self, statement: LiteralString, parameters: dict[str, Any]) -> list[str]:
        return [row["source"] for row in self._rows(statement, parameters)]

    def _rows(self, statement: LiteralString, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            return self.session.database.rows(statement, **parameters)
        except DatabaseError:
            if parameters["filter"] is not None:
                check_jsonpath(self.session.database, parameters["filter"])
            raise
