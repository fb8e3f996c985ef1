"""Metadata and the values of filters: Python's types as JSON holds them, or what is wrong, by name.

Not imported by `ragpg.reading` itself: its child process needs no numpy.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping, Set
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import numpy as np

from ragpg.errors import BadArgument

_MOST_DIGITS = 4000  # Python reads no whole number of more than 4,300 back
_TOO_LARGE = 10**_MOST_DIGITS
_DEEPEST = 100
_FIELDS = frozenset({"text", "source", "title", "media_type", "metadata", "embedding"})
_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 80
shown = _SHORT.repr
"""A value as an error shows it."""
_TAKEN = (
    "text, numbers, true and false, None, dates and times, UUIDs, lists and dictionaries of these"
)


def metadata_of(record: Mapping[str, Any]) -> Any:
    """Returns a record's metadata as JSON holds them, None without any.

    What is no field of a record is metadata, too, as in a file of records. BadArgument, returned
    and not raised, if JSON cannot hold them, so that this record fails and no other.
    """
    given = record.get("metadata")
    others = {name: value for name, value in record.items() if name not in _FIELDS}
    try:
        if given is not None and not isinstance(given, Mapping):
            raise BadArgument(f"metadata is {shown(given)}: give a dictionary")
        return to_plain({**others, **(given or {})} if others else given, "metadata")
    except BadArgument as error:
        return error


def to_plain(value: Any, place: str, depth: int = 0) -> Any:
    """Returns the value as text, bool, None, int, float, Decimal, or lists and dicts of these.

    Dates and times become ISO 8601, an Enum's member its value, numpy's arrays lists. Raises
    BadArgument with the place of what JSON or Postgres cannot hold, and what to do.
    """
    value = to_native(value)
    if depth > _DEEPEST:
        raise BadArgument(f"{place[:60]}... is nested more than {_DEEPEST} deep, or holds itself")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, int | float | Decimal):
        return _number(value, place)
    if isinstance(value, date | time):
        if value != value:  # pandas.NaT
            raise BadArgument(f"{place} is no time (NaT): leave it out, or give None")
        return iso_text(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {
            _key(key, place): to_plain(one, _inside(place, key), depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [to_plain(one, f"{place}[{n}]", depth + 1) for n, one in enumerate(value)]
    raise BadArgument(f"{place} is {shown(value)}: {_advice(value)}")


def to_native(value: Any) -> Any:
    """Returns an Enum's member as its value, numpy's scalars and arrays as Python's."""
    while isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.ndarray):
        if isinstance(value, np.ma.MaskedArray):
            return value.tolist()  # None where it is masked
        return list(value) if value.ndim else to_native(value[()])
    if isinstance(value, np.timedelta64):
        return value  # .item() of some is a number
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            return value
        days = np.datetime_data(value.dtype)[0] in ("Y", "M", "W", "D")
        moment = value.astype("datetime64[D]" if days else "datetime64[us]").item()
        return moment if isinstance(moment, date) else value  # a number outside of years 1 to 9999
    if isinstance(value, np.floating):
        return float(value)  # .item() of a longdouble is one
    return value.item() if isinstance(value, np.generic) else value


def vector_of(given: Any, place: str) -> np.ndarray[Any, Any]:
    """Returns an embedding as an array of shape (dimensions,); BadArgument when it is none."""
    try:
        vector = np.asarray(given, np.float32)
    except (TypeError, ValueError) as error:
        raise BadArgument(f"{place} is {shown(given)}: give a list of numbers") from error
    if vector.ndim != 1 or not len(vector):
        raise BadArgument(f"{place} has the shape {vector.shape}: give one list of numbers")
    if not np.isfinite(vector).all():
        raise BadArgument(f"{place} holds a number that is not finite (NaN or infinite)")
    return vector


def iso_text(value: date | time) -> str:
    """Returns the date, time or both as ISO 8601, with an offset that Postgres reads, if any."""
    if isinstance(value, datetime):
        offset = value.utcoffset()
        if offset and offset % timedelta(minutes=1):  # local mean times of before 1940
            with suppress(OverflowError):  # in the first or last hours of all years
                value = value.astimezone(UTC)
        return datetime.isoformat(value)  # not pandas's, with nanoseconds
    return value.isoformat()


def json_text(value: Any) -> str:
    """Returns a plain value as JSON, each digit of a Decimal kept."""
    if isinstance(value, dict):
        return (
            f"{{{', '.join(f'{json.dumps(key)}: {json_text(one)}' for key, one in value.items())}}}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(json_text, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def _number(value: float | Decimal, place: str) -> float | Decimal:
    if isinstance(value, int):
        if abs(value) >= _TOO_LARGE:
            raise BadArgument(f"{place} has more than {_MOST_DIGITS:,} digits: give it as text")
        return int(value)
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        raise BadArgument(f"{place} is {value}, which JSON cannot hold: leave it out, or give None")
    if isinstance(value, float):
        return float(value)
    exponent = value.as_tuple().exponent
    if value.adjusted() > _MOST_DIGITS or int(exponent) < -_MOST_DIGITS:
        raise BadArgument(f"{place} has more than {_MOST_DIGITS:,} digits: give it as text")
    return value


def _text(value: str, place: str) -> str:
    if "\0" in value:
        raise BadArgument(
            f"{place} holds the character U+0000, which Postgres does not: remove it,"
            f" as in text.replace('\\0', ''): {shown(value)}"
        )
    return re.sub("[\ud800-\udfff]", "\ufffd", value)  # as in the document's text


def _key(key: Any, place: str) -> str:
    key = to_native(key)
    if not isinstance(key, str):
        raise BadArgument(f"{place} has a key that is no text, {shown(key)}: write str(key)")
    return _text(key, f"a key of {place}")


def _inside(place: str, key: Any) -> str:
    plain = isinstance(key, str) and re.fullmatch(r"\w{1,60}", key)
    return f"{place}.{key}" if plain else f"{place}[{shown(key)}]"


def _advice(value: Any) -> str:
    if isinstance(value, Set):
        return "a set has no order, give a list, such as sorted(...)"
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes are no text, give .decode() or .hex() of them"
    if isinstance(value, timedelta | np.timedelta64):
        return "give a duration as a number, such as .total_seconds() of it"
    if isinstance(value, np.datetime64):
        return "give a date of the years 1 to 9999, or None"
    return f"metadata and filters take {_TAKEN}"
