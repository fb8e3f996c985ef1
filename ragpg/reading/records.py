"""JSON and JSON lines: each record is a document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.result import Reading

TEXT_FIELDS = ("text", "content", "body")
TITLE_FIELDS = ("title", "name", "subject")
ID_FIELDS = ("id", "_id", "source", "url")
_MAX_RECORDS = 1_000_000


def read_json(text: str) -> Iterator[tuple[str, Reading]]:
    """Yields the label and the document of each record; anything but records is one document.

    An array of objects is records, an object is one document without a label.
    """
    value = _parse(text)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        if len(value) > _MAX_RECORDS:
            raise LoadError(f"it holds more than {_MAX_RECORDS:,} records: split it")
        for number, record in enumerate(value, 1):
            yield _label(record, number), _record(record)
    elif isinstance(value, dict):
        yield "", _record(value)
    else:
        yield "", Reading("", f"```json\n{text.strip()}\n```")


def read_json_lines(text: str) -> Iterator[tuple[str, Reading | LoadError]]:
    """Yields the label and the document of each line, or what is wrong with it."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield _line(line.strip(), number)
            except LoadError as error:
                yield str(number), error


def _line(line: str, number: int) -> tuple[str, Reading]:
    value = _parse(line)
    if isinstance(value, dict):
        return _label(value, number), _record(value)
    return str(number), Reading("", value if isinstance(value, str) else line)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise LoadError(f"it is not valid JSON: {error.msg} at {place}") from error
    except (ValueError, RecursionError) as error:
        raise LoadError(f"its JSON cannot be read: {error}") from error


def _label(record: Mapping[str, Any], number: int) -> str:
    """Returns what identifies the record within its file: its id, else its number from 1."""
    values = (record.get(name) for name in ID_FIELDS)
    ids = (str(one).strip() for one in values if type(one) in (str, int))
    return next(filter(None, ids), str(number))


def _record(record: Mapping[str, Any]) -> Reading:
    """Returns the record's text, title and, as metadata, its other fields that hold one value.

    A record without a text field becomes lines of `key: value`.
    """
    text_field, title_field = (
        next((name for name in names if isinstance(record.get(name), str)), None)
        for names in (TEXT_FIELDS, TITLE_FIELDS)
    )
    if text_field is None:
        content = "\n".join(f"{key}: {_value(value)}" for key, value in record.items())
    else:
        content = record[text_field]
    metadata = {
        key: value
        for key, value in record.items()
        if key not in (text_field, title_field) and _is_storable(value)
    }
    return Reading(record[title_field] if title_field else "", content, metadata)


def _is_storable(value: Any) -> bool:
    """Returns whether it is one value that jsonb takes: no NaN, no number of 4,000 digits."""
    if isinstance(value, float):
        return math.isfinite(value)
    return abs(value) < 2**63 if isinstance(value, int) else isinstance(value, str)


def _value(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"its JSON cannot be read: {error}") from error
