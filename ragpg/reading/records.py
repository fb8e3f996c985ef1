"""JSON and JSON lines: each record is a document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.decoding import clean_text
from ragpg.reading.result import Reading

TEXT_FIELDS = ("text", "content", "body")
TITLE_FIELDS = ("title", "name", "subject")
ID_FIELDS = ("id", "_id", "source", "url")
_MAX_RECORDS = 1_000_000


def read_json(text: str) -> Iterator[tuple[str, Reading]]:
    """Yields the suffix and the document of each record; anything but records is one document.

    An array of objects is records, an object is one document without suffix.
    """
    value = _parse(text)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        if len(value) > _MAX_RECORDS:
            raise LoadError(f"it holds more than {_MAX_RECORDS:,} records: split it")
        for number, record in enumerate(value, 1):
            yield record_suffix(record, number), read_record(record)
    elif isinstance(value, dict):
        yield "", read_record(value)
    else:
        yield "", Reading("", f"```json\n{text.strip()}\n```")


def read_json_line(line: str, number: int) -> tuple[str, Reading]:
    """Returns the suffix and the document of a line; one that is not JSON raises LoadError."""
    value = _parse(line)
    if not isinstance(value, dict):
        return str(number), Reading("", value if isinstance(value, str) else line.strip())
    return record_suffix(value, number), read_record(value)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise LoadError(f"it is not valid JSON: {error.msg} at {place}") from error
    except (ValueError, RecursionError) as error:
        raise LoadError(f"its JSON cannot be read: {error}") from error


def record_suffix(record: Mapping[str, Any], number: int) -> str:
    """Returns what identifies the record within its file: its id, else its number from 1."""
    for name in ID_FIELDS:
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return clean_text(str(value).strip())
    return str(number)


def read_record(record: Mapping[str, Any]) -> Reading:
    """Returns the record's text, title and, as metadata, its other fields that hold one value.

    A record without a text field becomes lines of `key: value`.
    """
    text_field = next((name for name in TEXT_FIELDS if isinstance(record.get(name), str)), None)
    title_field = next((name for name in TITLE_FIELDS if isinstance(record.get(name), str)), None)
    if text_field is None:
        content = "\n".join(f"{key}: {_value(value)}" for key, value in record.items())
    else:
        content = record[text_field]
    metadata = {
        clean_text(key): clean_text(value) if isinstance(value, str) else value
        for key, value in record.items()
        if key not in (text_field, title_field) and _is_storable(value)
    }
    return Reading(record[title_field] if title_field else "", content, metadata)


def _is_storable(value: Any) -> bool:
    """Returns whether it is one value that jsonb takes: no NaN, no number of 4,000 digits."""
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    if isinstance(value, int):
        return abs(value) < 2**63
    return isinstance(value, str)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"its JSON cannot be read: {error}") from error
