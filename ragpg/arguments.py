"""What a caller passed wrongly is told by its name, and what is done to whoever traces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def told(function: Callable[P, T]) -> Callable[P, T]:
    """Returns the function, which raises BadArgument where an argument made it fail."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            if "opentelemetry.trace" in sys.modules:  # somebody may have set up a tracer
                result: T = import_module("ragpg.telemetry").told(function, args, kwargs)
                return result
            return function(*args, **kwargs)
        except Exception as error:
            import_module("ragpg.wrong_arguments").tell(function, args, kwargs, error)
            raise

    return call


def tells(kind: type[T]) -> type[T]:
    """Returns the class with each public method told."""
    for name, member in list(vars(kind).items()):
        if callable(member) and not name.startswith("_"):
            setattr(kind, name, told(member))
    return kind
