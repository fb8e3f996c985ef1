"""Filters of LangChain's PGVector -> ragpg's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ragpg.search.filters import Filter


def of_filter(given: Filter | None) -> Filter | None:
    """Returns a filter of PGVector as ragpg's: $between is two bounds, $not of a filter $nor."""
    if not isinstance(given, Mapping):
        return given
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key in ("$and", "$or"):
            found[key] = [of_filter(one) for one in value]
        elif key == "$not":
            found["$nor"] = [
                of_filter(one) for one in (value if isinstance(value, list) else [value])
            ]
        elif isinstance(value, Mapping) and "$between" in value:
            low, high = value["$between"]
            rest = {name: one for name, one in value.items() if name != "$between"}
            found[key] = {"$gte": low, "$lte": high, **rest}
        else:
            found[key] = value
    return found
