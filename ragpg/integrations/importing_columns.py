"""Which columns of a plain table are id, text, vector and metadata: as told, else guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ragpg.errors import BadArgument
from ragpg.integrations.importing_tables import VECTOR_TYPES, Column, Table

_TEXT_TYPES = ("text", "varchar", "bpchar")
_JSON_TYPES = ("json", "jsonb")
_IDS = ("id", "uuid", "_id", "chunk_id", "source", "document_id", "doc_id")
_TEXTS = ("text", "content", "document", "chunk", "body", "page_content", "chunk_text", "passage")
_METADATA = ("metadata", "meta", "cmetadata", "metadata_", "attributes", "payload")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns; None is to be guessed. Of `metadata` the JSON named `merged` is the base.

    A `text` that is no column is a key of that JSON.
    """

    id: str | None = None
    text: str | None = None
    vector: str | None = None
    metadata: tuple[str, ...] | None = None
    merged: str | None = None

    def told(self) -> str:
        """Returns them in words."""
        metadata = ", ".join(self.metadata or ()) or "none"
        return f"id {self.id}, text {self.text}, vector {self.vector}, metadata {metadata}"


def chosen_columns(table: Table, given: Columns) -> Columns:
    """Returns all of the columns; raises BadArgument, with what to choose from, where unclear."""
    names = [one.name for one in table.columns]
    for name in (given.id, given.vector, *(given.metadata or ())):
        if name is not None and name not in names:
            raise BadArgument(f'{_of(table)} has no column "{name}", but {_list(names)}')
    vector = given.vector or _vector(table)
    id_ = given.id or _id(table)
    rest = [one for one in table.columns if one.name not in (vector, id_)]
    known = given.metadata
    merged = _merged([one for one in rest if known is None or one.name in known])
    text = given.text or _text(table, rest)
    if text not in names and merged is None:
        raise BadArgument(
            f'{_of(table)} has no column "{text}" for the text, but {_list(names)}, and no JSON '
            "whose key that could be"
        )
    if known is None:
        left = [one for one in rest if one.name != text and one.type != "tsvector"]
        known = tuple(one.name for one in left if one.type not in (*VECTOR_TYPES, "sparsevec"))
    return Columns(id_, text, vector, known, merged)


def _vector(table: Table) -> str:
    found = [one.name for one in table.columns if one.type in VECTOR_TYPES]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadArgument(
            f"{_of(table)} has {len(found)} vector columns, {_list(found)}: choose one, "
            f"--vector {found[0]}"
        )
    columns = _list([f"{one.name} ({one.type})" for one in table.columns])
    raise BadArgument(f"{_of(table)} has no column of type vector or halfvec, but {columns}")


def _id(table: Table) -> str:
    key = [one.name for one in table.columns if one.is_key]
    found = key or _first(_IDS, table.columns)
    if found:
        return found[0]
    raise BadArgument(
        f"{_of(table)} has no primary key of one column: name the column that identifies a row, "
        f"--id {table.columns[0].name}"
    )


def _text(table: Table, rest: list[Column]) -> str:
    texts = [one for one in rest if one.type in _TEXT_TYPES]
    found = _first(_TEXTS, texts) or [one.name for one in texts]
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadArgument(
            f"{_of(table)} has no column of text: where its JSON holds it, --text KEY names the key"
        )
    raise BadArgument(
        f"which column of {_of(table)} is the text, {_list(found)}? choose one, --text {found[0]}"
    )


def _merged(columns: list[Column]) -> str | None:
    """Returns the JSON column that is the metadata, rather than a key of them."""
    found = [one for one in columns if one.type in _JSON_TYPES]
    named = _first(_METADATA, found)
    if named:
        return named[0]
    return found[0].name if len(found) == 1 else None


def _first(names: Iterable[str], columns: Iterable[Column]) -> list[str]:
    """Returns the first of the names that is a column's, in whatever case."""
    known = {one.name.lower(): one.name for one in reversed(list(columns))}
    return [known[name] for name in names if name in known][:1]


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _of(table: Table) -> str:
    return f'"{table.name}"'
