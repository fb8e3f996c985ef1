"""Filters as dictionaries -> jsonpath predicates over a document's metadata.

The operators are MongoDB's, `{"tier": "pro", "year": {"$gte": 2024}}`; what they say is jsonpath's:
a list is compared element by element, one that fits is enough, and what is not there, or is of
another type, does not compare. Values are those of metadata (`ragpg.reading.metadata`).

Times are compared as instants, by the session's time zone where one has none. A date that is asked
is its whole day: a time on it equals it. A date that is stored is the beginning of its day where a
time is asked.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from typing import Any

from ragpg.database import Database
from ragpg.errors import BadArgument, BadFilter, DatabaseError, RagpgError
from ragpg.reading.metadata import iso_text, json_text, shown, to_native, to_plain
from ragpg.search import filter_queries as queries

Filter = str | Mapping[str, Any]
"""A jsonpath predicate, or a dictionary that becomes one."""

_COMPARISONS = {"$eq": "==", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_FIELD_OPERATORS = (*_COMPARISONS, "$ne", "$in", "$nin", "$exists", "$not")


def read_filter(given: str | None) -> Filter | None:
    """Returns a filter as typed: JSON becomes a dictionary, jsonpath stays as it is."""
    if given is None or not given.lstrip().startswith("{"):
        return given
    try:
        found: dict[str, Any] = json.loads(given)
    except ValueError as error:
        raise BadArgument(f"the filter {given} is no JSON: {error}") from error
    return found


def to_jsonpath(filter: Filter | None) -> str | None:
    """Returns the filter as jsonpath; a string is jsonpath already, no condition is no filter.

    Operators: $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $not, and $and, $or, $nor over
    filters. A dot in a key leads into an object, as does an object as value, or is part of the key,
    whichever is there. Dates and times are compared with ISO 8601 text that holds some. Raises
    BadArgument, naming the place, and BadFilter for jsonpath that no database reads.
    """
    if filter is None:
        return None
    if isinstance(filter, str):
        if "\0" in filter:
            raise _no_jsonpath(filter, "it holds the character U+0000")
        return filter.encode("utf-8", "replace").decode()
    if not isinstance(filter, Mapping):
        raise BadArgument(f"a filter is a jsonpath string or a dictionary, not {filter!r}")
    return _all(_conditions(filter, ())) if filter else None


def check_jsonpath(database: Database, filter: str) -> None:
    """Raises BadFilter, which says how to write one, when the database cannot read the jsonpath."""
    try:
        database.execute(queries.READ_FILTER, filter=filter)
    except RagpgError as error:
        if isinstance(error, DatabaseError):  # not a lost connection
            raise _no_jsonpath(filter, str(error)) from error
        raise


def _no_jsonpath(filter: str, why: str) -> BadFilter:
    shown = filter if len(filter) <= 200 else f"{filter[:200]}..."
    return BadFilter(
        f"the filter {shown!r} is no jsonpath: {why[:200]} (write it like"
        ' $.tier == "pro" && $.year >= 2024, keys after $. and text in double quotes,'
        ' or as a dictionary: {"tier": "pro", "year": {"$gte": 2024}})'
    )


def _conditions(filter: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in filter.items():
        if not isinstance(key, str):
            raise BadArgument(f"the filter's key {key!r} is no string: write str(key)")
        if key in ("$and", "$or", "$nor"):
            yield _combined(key, value, path)
        elif key.startswith("$"):
            yield _compared(key, value, path)
        elif isinstance(value, Mapping):
            if not value:
                raise BadArgument(f"the filter says nothing about {key}")
            yield _all(_conditions(value, (*path, key)))
        else:
            yield _compared("$eq", value, (*path, key))


def _combined(key: str, value: Any, path: tuple[str, ...]) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise BadArgument(f"{key} needs a list of filters, not {shown(value)}")
    parts = []
    for one in value:
        if not isinstance(one, Mapping) or not one:
            raise BadArgument(f"{key} needs filters, not {shown(one)}")
        parts.append(_all(_conditions(one, path)))
    if key == "$and":
        return _all(iter(parts))
    either = _any(parts)
    return either if key == "$or" else _not(either)


def _compared(operator: str, value: Any, path: tuple[str, ...]) -> str:
    place = ".".join(path)
    if operator not in _FIELD_OPERATORS:
        known = ", ".join((*_FIELD_OPERATORS, "$and", "$or", "$nor"))
        field = "".join(f".{json.dumps(name)}" for name in (*path, operator))
        raise BadArgument(
            f"the filter's operator {operator} is unknown: there are {known};"
            f" a key of that name is asked by jsonpath, ${field} == ..."
        )
    if not path:
        raise BadArgument(f'{operator} compares a field: {{"year": {{"{operator}": ...}}}}')
    if operator == "$not":
        if not isinstance(value, Mapping) or not value:
            raise BadArgument(f"$not of {place} needs operators, not {shown(value)}")
        return _not(_all(_conditions(value, path)))
    fields = _fields(path, place)
    if operator == "$exists":
        value = to_native(value)
        if not isinstance(value, bool):
            raise BadArgument(f"$exists of {place} is true or false, not {shown(value)}")
        there = _any([f"exists ({field})" for field in fields])
        return there if value else f"!({there})"
    values = _listed(operator, value, place) if operator in ("$in", "$nin") else [value]
    sign = _COMPARISONS.get(operator, "==")
    either = _any([_test(field, sign, one, place) for one in values for field in fields])
    return _not(either) if operator in ("$ne", "$nin") else either


def _fields(path: tuple[str, ...], place: str) -> list[str]:
    """Returns the places a path may mean: a key with a dot is itself, or leads into objects."""
    ways = [[_name(key, place)] for key in path]
    for key, found in zip(path, ways, strict=True):
        if "." in key:
            found.append("".join(_name(name, place) for name in key.split(".")))
    return ["$" + "".join(way) for way in itertools.product(*ways)]


def _name(name: str, place: str) -> str:
    return "." + json_text(to_plain(name, f"the filter's key {place!r}"))


def _listed(operator: str, value: Any, place: str) -> list[Any]:
    value = to_native(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        values = list(value)
        if values:
            return values
    raise BadArgument(f"{operator} of {place} needs a list of values, not {shown(value)}")


def _all(conditions: Iterator[str]) -> str:
    parts = list(conditions)
    return parts[0] if len(parts) == 1 else f"({' && '.join(parts)})"


def _any(conditions: Sequence[str]) -> str:
    return conditions[0] if len(conditions) == 1 else f"({' || '.join(conditions)})"


def _not(condition: str) -> str:
    """Returns what is true wherever the condition is not, also where types do not compare."""
    return f"(!({condition}) || ({condition}) is unknown)"


def _test(field: str, sign: str, value: Any, place: str) -> str:
    value = to_native(value)
    if isinstance(value, list | tuple | Mapping):
        hint = "name its keys" if isinstance(value, Mapping) else "use $in"
        raise BadArgument(f"{place} cannot be compared with {shown(value)}: {hint}")
    literal = json_text(to_plain(value, f"the filter's {place}"))
    if isinstance(value, date | time):
        return f"exists ({field} ? ({_moment_test(sign, value)}))"
    return f"({field} {sign} {literal})"


# Times -----------------------------------------------------------------------------------------

# How a day compares: with its first moment, its last one (Postgres counts microseconds), or both.
_OF_A_DAY = {
    "==": ((">=", ""), ("<=", "T23:59:59.999999")),
    ">": ((">", "T23:59:59.999999"),),
    ">=": ((">=", ""),),
    "<": (("<", ""),),
    "<=": (("<=", "T23:59:59.999999"),),
}
# Before Postgres 17 datetime() reads no Z; these read it as UTC without a zone.
_WITH_Z = [f'@.datetime("yyyy-mm-dd\\"T\\"hh24:mi:ss{part}\\"Z\\"")' for part in ("", ".us")]


def _moment_test(sign: str, value: date | time) -> str:
    """Returns the condition on one value of metadata, `@`, that is a date, a time or both."""
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    signs = _OF_A_DAY[sign] if is_day else ((sign, ""),)

    def compared(read: str, value: date | time) -> str:
        return " && ".join(
            f'{read} {one} "{iso_text(value)}{end}".datetime()' for one, end in signs
        )

    known = compared("@.datetime()", value)
    if isinstance(value, time):
        return known
    if isinstance(value, datetime) and value.tzinfo:
        with suppress(OverflowError):  # in the first or last hours of all years
            value = value.astimezone(UTC).replace(tzinfo=None)
    z = " || ".join(compared(read, value) for read in _WITH_Z)
    unread = "(@.datetime() == @.datetime()) is unknown"
    return f'{known} || @ like_regex "Z$" && {unread} && ({z})'
