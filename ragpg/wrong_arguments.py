"""Which argument made a call fail: looked at only then, so that calls that succeed cost nothing.

Raised errors are explained instead of arguments checked beforehand: what works stays allowed, such
as numpy's numbers.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from typeguard import TypeCheckError, check_type

from ragpg.errors import BadArgument, DatabaseError, LoadError, RagpgError
from ragpg.reading.metadata import shown

_LARGEST = 2**63 - 1  # a bigint
_LONGEST_DAYS = 366 * 2000
# What modules import for the type checker alone.
_NAMES = {
    "Filter": str | Mapping[str, Any],
    "Callable": Callable,
    "Decimal": Decimal,
    "Mapping": Mapping,
    "OnStep": Callable,
    "Sequence": Sequence,
    "datetime": datetime,
    "timedelta": timedelta,
}


def tell(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> None:
    """Raises an error that names the argument, where one made the call fail."""
    better = _better(function, args, kwargs, error)
    if better is not error:
        raise better from error


def _better(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
) -> Exception:
    if isinstance(error, RagpgError) and not isinstance(error, DatabaseError):
        return error
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError as misnamed:  # Python's own words are the best
        return BadArgument(f"{function.__name__}: {misnamed}")
    for name, value in given.items():
        wrong = _of_self(value) if name == "self" else _what_is_wrong(function, name, value)
        if wrong:
            return BadArgument(f"{function.__name__}: {wrong}")
    if isinstance(error, OSError) and error.filename and _is_among(error.filename, given):
        return LoadError(f"{error.filename}: {error.strerror}")
    return error


def _of_self(one: Any) -> str | None:
    name = getattr(one, "name", getattr(one, "collection", ""))
    if name is not None and not isinstance(name, str):
        return f"a collection's name is text, not {shown(name)}"
    return next((f"the collection's name {wrong}" for wrong in _unstorable(name)), None)


def _what_is_wrong(function: Callable[..., Any], name: str, value: Any) -> str | None:
    parameter = inspect.signature(function).parameters[name]
    if parameter.default is not parameter.empty and value is parameter.default:
        return None
    wanted = parameter.annotation
    if not _fits(value, wanted, function):
        return f"{name} is {shown(value)}, it takes {wanted}"
    return next((f"{name} {wrong}" for wrong in _unstorable(value)), None)


def _fits(value: Any, wanted: Any, function: Callable[..., Any]) -> bool:
    if isinstance(value, bool) and not re.search("bool|Any|object", str(wanted)):
        return False  # Python's bool is an int
    names = {**_NAMES, **vars(sys.modules[function.__module__])}
    try:
        check_type(value, eval(wanted, names) if isinstance(wanted, str) else wanted)
    except TypeCheckError:
        return False
    except (NameError, TypeError):  # a name of the type checker's alone
        return True
    return True


def _unstorable(value: Any) -> Iterator[str]:
    """Yields what neither Postgres nor its driver takes of a value."""
    if isinstance(value, str | Path):
        text = str(value)
        if "\0" in text:
            yield f"holds the character U+0000, which Postgres does not: {shown(text)}"
        if any("\ud800" <= one <= "\udfff" for one in text):
            yield f"holds half of a pair of surrogates, which is no character: {shown(text)}"
    elif isinstance(value, int):
        if abs(value) > _LARGEST:
            yield f"is {shown(value)}, more than Postgres counts to"
        if value < 0:
            yield f"is {value}: give a positive number"
    elif isinstance(value, timedelta):
        if abs(value.days) > _LONGEST_DAYS:
            yield f"is {value}, more than there is time"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"is {value}: give a number"
    elif isinstance(value, np.ndarray):
        if value.dtype.kind in "fc" and not np.isfinite(value).all():
            yield "holds a number that is not finite (NaN or infinite)"
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _unstorable(one)


def _is_among(filename: object, given: Mapping[str, Any]) -> bool:
    """Returns whether the file is what a caller named, or is inside of it."""
    named = [one for one in given.values() if isinstance(one, str | Path)]
    return any(str(filename).startswith(str(one)) for one in named)
