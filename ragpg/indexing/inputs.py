"""Files, texts and records as what is to be taken in: a source, a hash, and how to load it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ragpg.errors import BadArgument, LoadError
from ragpg.reading import (
    LOADER_VERSION,
    MEDIA_TYPES,
    SEVERAL_MEDIA_TYPES,
    FoundFiles,
    LoadedDocument,
    LoadedPart,
    RemoteFile,
    clean_text,
    digest_of_file,
    load_documents,
    load_path,
    load_text,
)
from ragpg.reading.metadata import metadata_of, shown, vector_of


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


def inputs_of_files(found: FoundFiles) -> tuple[list[Input], list[Failure]]:
    inputs: list[Input] = []
    failures: list[Failure] = []
    for source, path in found.files:
        read, failed = _inputs_of_file(clean_text(source), path)
        inputs += read
        failures += failed
    return inputs, failures


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


def fingerprint(*parts: bytes | str) -> bytes:
    """Returns the SHA-256 of the loader's version and the parts: equal means nothing to do."""
    digest = hashlib.sha256(LOADER_VERSION.encode())
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()
