"""JSON and JSON lines: each record is a document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ragpg.errors import LoadError
from ragpg.reading.result import Reading

TEXT_FIELDS = ("text", "content", "body", "page_content")  # the last is LangChain's
TITLE_FIELDS = ("title", "name", "subject")
ID_FIELDS = ("id", "_id", "source", "url")
_MAX_RECORDS = 1_000_000
_MOST_VALUES = 100  # of a list in metadata: more are an embedding, or a table


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
    """Returns the record's text, title and, as metadata, its other fields, those of `metadata` too.

    A text may be a list of paragraphs. A record without one becomes lines of `key: value`.
    """
    text_field = next((name for name in TEXT_FIELDS if _is_text(record.get(name))), None)
    title_field = next((name for name in TITLE_FIELDS if isinstance(record.get(name), str)), None)
    if text_field is None:
        content = "\n".join(f"{key}: {_value(value)}" for key, value in record.items())
    else:
        found = record[text_field]
        content = found if isinstance(found, str) else "\n\n".join(found)
    fields = {key: record[key] for key in record if key not in (text_field, title_field)}
    if isinstance(fields.get("metadata"), dict):
        fields = {**fields.pop("metadata"), **fields}
    metadata = {key: value for key, value in fields.items() if _is_storable(value)}
    return Reading(record[title_field] if title_field else "", content, metadata)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    )


def _is_storable(value: Any) -> bool:
    """Returns whether jsonb takes it, no NaN and no number of 4,000 digits, and it is no vector."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return len(value) <= _MOST_VALUES and all(map(_is_storable, inner))
    if isinstance(value, float):
        return math.isfinite(value)
    return abs(value) < 2**63 if isinstance(value, int) else value is None or isinstance(value, str)


def _value(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"its JSON cannot be read: {error}") from error
