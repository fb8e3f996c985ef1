"""Every public Python function is fed each wrong kind of argument; what comes back is ours."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg
from ragpg.errors import BadArgument, ConnectionFailed, DatabaseError, RagpgError

WRONG: list[Any] = [
    5, -1, 2.5, 10**30, float("nan"), float("inf"), True, "", " ", "a\0b", "\ud800", "x" * 300,
    "no such thing", "'; drop", b"x", None, [], [5], [None], {"a": 1}, {5: 5}, {"$gt": 1},
    {"a": {"$no": 1}}, object(), timedelta.max, timedelta(-1), Path("/nonexistent/x"), len,
    np.array([1.0, float("nan")]), np.zeros((2, 2)), Ellipsis,
]  # fmt: skip
RIGHT: dict[str, Any] = {
    "query": "refund",
    "question": "refund",
    "source": "a",
    "name": "default",
    "older_than": timedelta(1),
    "collection": "docs",
    "rating": "good",
    "path": Path("/nonexistent"),
}
# What waits, asks a model hub, or writes files is not fed everything.
LEFT_OUT = {"watch", "close", "worker", "report", "load", "ensure", "embedder", "tune", "export"}
LEFT_OUT |= {"collection", "model", "rerank", "context_model", "timeout", "drop_collection"}
# The words of Postgres and its driver, of Python, and the names of constraints.
OTHERS = r"""violates|constraint|invalid input syntax|out of range for|cannot adapt|\w+Error\b|
    has no attribute|not iterable|unhashable|object is not|[a-z]+_[a-z]+_(is|has|can)_|_fkey|_pkey"""


def calls(client: ragpg.Client) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    docs = client.collection("docs")
    for target in (
        client, docs, docs.versions, docs.indexes, docs.evaluation, docs.finetuning,
        docs.inspection, client.models, client.health,
    ):  # fmt: skip
        for name, function in inspect.getmembers(target, inspect.ismethod):
            if name.startswith("_") or name in LEFT_OUT:
                continue
            taken = inspect.signature(function).parameters.values()
            needed = {one.name: RIGHT.get(one.name, 1) for one in taken if one.default is one.empty}
            if name == "add":
                needed = {"text": "refund", "source": "b"}
            for one in taken:
                if one.name not in LEFT_OUT and one.kind is not one.VAR_KEYWORD:
                    yield f"{type(target).__name__}.{name}", function, {**needed, one.name: ...}


def complaint(call: Callable[[], Any]) -> str | None:
    """Returns what is wrong with what a call raises."""
    try:
        call()
    except ConnectionFailed as error:
        return f"is taken for a lost connection: {error}"
    except RagpgError as error:
        if type(error) is DatabaseError or re.search(OTHERS, str(error), re.VERBOSE):
            return f"says {error}"
        if isinstance(error.__cause__, psycopg.Error):
            words = str(error.__cause__.diag.message_primary)
            state = error.__cause__.sqlstate or ""
            return f"says bare {error}" if str(error) == words and state[:2] != "RG" else None
        return f"says {len(str(error))} characters" if len(str(error)) > 700 else None
    except Exception as error:
        return f"lets {type(error).__name__} out: {error}"
    return None


@pytest.mark.filterwarnings("ignore")
def test_whatever_is_passed_comes_back_in_our_words(client: ragpg.Client) -> None:
    client.collection("docs").add(text="refund in days", source="a", metadata={"a": 1})
    found: dict[str, str] = {}
    for name, function, arguments in calls(client):
        (wrong,) = [key for key, value in arguments.items() if value is ...]
        for value in WRONG:
            given = {**arguments, wrong: value}
            told = complaint(lambda function=function, given=given: function(**given))
            if told:
                found[f"{name}({wrong}={str(value)[:20]!r})"] = told[:300]
    assert found == {}
