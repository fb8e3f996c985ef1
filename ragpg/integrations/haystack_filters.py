"""Haystack's filters -> jsonpath predicates over a document's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from haystack.errors import FilterError

from ragpg.errors import BadArgument
from ragpg.integrations.haystack_records import ID
from ragpg.search.filters import to_jsonpath

_NOTHING = "1 == 0"
_ORDERS = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_FIELDS = ("content", "blob", "score", "embedding", "sparse_embedding")


def of_filters(filters: Mapping[str, Any] | None) -> str | None:
    """Returns filters as jsonpath, None for none; raises FilterError for what are none."""
    if not filters:
        return None
    try:
        return _condition(filters)
    except BadArgument as error:
        raise FilterError(str(error)) from error


def field_of(name: str) -> str:
    """Returns the key of the metadata that a filter's field names."""
    if name in _FIELDS:
        raise FilterError(f"{name} cannot be filtered by, fields of meta and id can")
    return ID if name == "id" else name.removeprefix("meta.")


def _condition(filters: Any) -> str:
    if not isinstance(filters, Mapping):
        raise FilterError(f"a filter is a dictionary, not {filters!r}")
    wanted = ("operator", "value") if "field" in filters else ("operator", "conditions")
    for key in wanted:
        if key not in filters:
            raise FilterError(f"'{key}' key missing in {filters}")
    operator = filters["operator"]
    if "field" in filters:
        return _compared(field_of(filters["field"]), operator, filters["value"])
    parts = [f"({_condition(one)})" for one in filters["conditions"]]
    if operator == "OR":
        return " || ".join(parts) or _NOTHING
    both = " && ".join(parts) or f"!({_NOTHING})"
    if operator not in ("AND", "NOT"):
        raise FilterError(f"there is no logical operator {operator!r}: AND, OR, NOT")
    return both if operator == "AND" else _not(both)


def _compared(key: str, operator: str, value: Any) -> str:
    if operator in _ORDERS:
        return _ordered(key, _ORDERS[operator], value)
    if operator in ("==", "!="):
        equal = _equal(key, value)
        return equal if operator == "==" else _not(equal)
    if operator not in ("in", "not in"):
        raise FilterError(f"there is no operator {operator!r}")
    if not isinstance(value, list):
        raise FilterError(f"{operator!r} needs a list, not {value!r}")
    either = " || ".join(f"({_equal(key, one)})" for one in value) or _NOTHING
    return either if operator == "in" else _not(either)


def _equal(key: str, value: Any) -> str:
    if value is None:  # or there is none
        return _not(_leaf({key: {"$exists": True}})) + f" || ({_leaf({key: None})})"
    moment = _moment(value)
    same = _leaf({key: {"$eq": value}})
    return same if moment is None else f"({same}) || ({_leaf({key: moment})})"


def _ordered(key: str, operator: str, value: Any) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, list):
        raise FilterError(f"{key} cannot be ordered by the list {value!r}")
    if isinstance(value, str):
        moment = _moment(value)
        if moment is None:
            raise FilterError(f"{key} cannot be ordered by {value!r}: dates in ISO 8601 can")
        value = moment
    return _leaf({key: {operator: value}})


def _moment(value: Any) -> datetime | None:
    """Returns the time that ISO 8601 text of at least a date says."""
    if isinstance(value, str) and len(value) >= 10 and value[4:5] == "-":
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return None


def _leaf(condition: dict[str, Any]) -> str:
    return to_jsonpath(condition) or _NOTHING


def _not(condition: str) -> str:
    return f"(!({condition}) || ({condition}) is unknown)"
