"""Filters as dictionaries -> jsonpath predicates over a document's metadata.

The operators are MongoDB's, `{"tier": "pro", "year": {"$gte": 2024}}`; what they say is jsonpath's:
a list is compared element by element, one that fits is enough, and what is not there, or is of
another type, does not compare.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from ragpg.errors import BadArgument

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
    filters. A dot in a key leads into an object, as does an object as value. Dates are compared as
    ISO 8601 text, which is how JSON holds them. Raises BadArgument, naming the place.
    """
    if filter is None or isinstance(filter, str):
        return filter
    if not isinstance(filter, Mapping):
        raise BadArgument(f"a filter is a jsonpath string or a dictionary, not {filter!r}")
    return _all(_conditions(filter, ())) if filter else None


def _conditions(filter: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in filter.items():
        if not isinstance(key, str):
            raise BadArgument(f"the filter's key {key!r} is no string")
        if key in ("$and", "$or", "$nor"):
            yield _combined(key, value, path)
        elif key.startswith("$"):
            yield _compared(key, value, path)
        elif isinstance(value, Mapping):
            if not value:
                raise BadArgument(f"the filter says nothing about {key}")
            yield _all(_conditions(value, (*path, *key.split("."))))
        else:
            yield _compared("$eq", value, (*path, *key.split(".")))


def _combined(key: str, value: Any, path: tuple[str, ...]) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise BadArgument(f"{key} needs a list of filters, not {value!r}")
    parts = []
    for one in value:
        if not isinstance(one, Mapping) or not one:
            raise BadArgument(f"{key} needs filters, not {one!r}")
        parts.append(_all(_conditions(one, path)))
    if key == "$and":
        return _all(iter(parts))
    either = f"({' || '.join(parts)})"
    return either if key == "$or" else _not(either)


def _compared(operator: str, value: Any, path: tuple[str, ...]) -> str:
    place = ".".join(path)
    if operator not in _FIELD_OPERATORS:
        known = ", ".join((*_FIELD_OPERATORS, "$and", "$or", "$nor"))
        raise BadArgument(f"the filter's operator {operator} is unknown: there are {known}")
    if not path:
        raise BadArgument(f'{operator} compares a field: {{"year": {{"{operator}": ...}}}}')
    field = "$" + "".join(f".{_text(name)}" for name in path)
    if operator == "$not":
        if not isinstance(value, Mapping) or not value:
            raise BadArgument(f"$not of {place} needs operators, not {value!r}")
        return _not(_all(_conditions(value, path)))
    if operator == "$exists":
        if not isinstance(value, bool):
            raise BadArgument(f"$exists of {place} is true or false, not {value!r}")
        return f"exists ({field})" if value else f"!(exists ({field}))"
    if operator in ("$in", "$nin"):
        if not isinstance(value, (list, tuple, set, frozenset)) or not value:
            raise BadArgument(f"{operator} of {place} needs a list of values, not {value!r}")
        either = " || ".join(f"{field} == {_literal(one, place)}" for one in value)
        return f"({either})" if operator == "$in" else _not(f"({either})")
    if operator == "$ne":
        return _not(f"({field} == {_literal(value, place)})")
    return f"({field} {_COMPARISONS[operator]} {_literal(value, place)})"


def _all(conditions: Iterator[str]) -> str:
    parts = list(conditions)
    return parts[0] if len(parts) == 1 else f"({' && '.join(parts)})"


def _not(condition: str) -> str:
    """Returns what is true wherever the condition is not, also where types do not compare."""
    return f"(!({condition}) || ({condition}) is unknown)"


def _literal(value: Any, place: str) -> str:
    if isinstance(value, (date, datetime)):
        return _text(value.isoformat())
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    hint = ": use $in" if isinstance(value, (list, tuple, set)) else ""
    raise BadArgument(f"{place} cannot be compared with {value!r}{hint}")


def _text(value: str) -> str:
    if "\0" in value:
        raise BadArgument(f"a filter cannot hold the character U+0000: {value!r}")
    return json.dumps(value.encode("utf-8", "replace").decode())
