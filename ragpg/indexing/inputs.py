"""Texts and records as what is to be taken in: a source, a hash, and how to load it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from ragpg.errors import BadArgument
from ragpg.reading import LOADER_VERSION, LoadedDocument, clean_text, load_text
from ragpg.reading.metadata import metadata_of, shown, vector_of


class ArrowData(Protocol):
    """A table that gives its columns to others: pyarrow's, polars', pandas', DuckDB's."""

    def __arrow_c_stream__(self, requested_schema: object = None, /) -> object: ...


Records = Iterable[Mapping[str, Any]] | ArrowData


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that was not taken in, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Input:
    """A document to take in: its source, its raw bytes' hash and how to load it.

    With an `embedding` of its own, of shape (dimensions,), it becomes one chunk.
    """

    source: str
    source_hash: bytes
    load: Callable[[], LoadedDocument]
    embedding: Any = None


def split_tables(records: Records) -> tuple[list[Any], Iterable[Mapping[str, Any]]]:
    """Returns what is Arrow data of the records, record batches in a list too, and the rest."""
    first = records[0] if isinstance(records, list | tuple) and records else records
    if hasattr(first, "__arrow_c_array__") or hasattr(first, "__arrow_c_stream__"):
        return [records], ()
    return [], cast("Iterable[Mapping[str, Any]]", records)


def inputs_of_records(records: Iterable[Mapping[str, Any]]) -> tuple[list[Input], list[Failure]]:
    """Returns the inputs of records, and those that are none, by their source or number."""
    inputs: list[Input] = []
    failures: list[Failure] = []
    for number, record in enumerate(records, 1):
        try:
            inputs.append(input_of_record(record))
        except BadArgument as error:
            source = record.get("source") if isinstance(record, Mapping) else None
            named = source if isinstance(source, str) and source.strip() else f"record {number}"
            failures.append(Failure(clean_text(named), str(error)))
    return inputs, failures


def input_of_record(record: Mapping[str, Any]) -> Input:
    """Returns the input for a given text; given title and metadata win over the text's own.

    Raises BadArgument for what is none.
    """
    if not isinstance(record, Mapping):
        raise BadArgument(f"a record is a dictionary of text and source, not {shown(record)}")
    text, source = record.get("text"), record.get("source")
    if not isinstance(text, str) or not isinstance(source, str) or not source.strip():
        raise BadArgument(
            "a document given as text needs text and source: "
            'add(text="...", source="what identifies it")'
        )
    source, title, embedding = clean_text(source), record.get("title"), record.get("embedding")
    media_type = record.get("media_type") or "text/markdown"
    metadata = metadata_of(record)
    for name, value in (("title", title or ""), ("media_type", media_type)):
        if not isinstance(value, str):
            raise BadArgument(f"{name} of {source[:80]!r} is {shown(value)}: give text")

    def load() -> LoadedDocument:
        if isinstance(metadata, BadArgument):
            raise metadata
        loaded = load_text(text, media_type=media_type, name=source)
        return replace(
            loaded,
            title=loaded.title if title is None else title,
            metadata={**loaded.metadata, **(metadata or {})},
        )

    told = json.dumps([title, metadata], sort_keys=True, default=repr)
    vector = None if embedding is None else vector_of(embedding, f"embedding of {source[:80]!r}")
    raw = b"" if vector is None else vector.tobytes()
    return Input(source, fingerprint(media_type, text, told, raw), load, vector)


def fingerprint(*parts: bytes | str) -> bytes:
    """Returns the SHA-256 of the loader's version and the parts: equal means nothing to do."""
    digest = hashlib.sha256(LOADER_VERSION.encode())
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()
