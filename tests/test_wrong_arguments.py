"""Every public Python function is fed each wrong kind of argument; what comes back is ours."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
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
            if name == "wait_until_indexed":
                needed = {"timeout": 0.01}
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
def test_whatever_is_passed_comes_back_in_our_words(
    client: ragpg.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    client.collection("docs").add(text="refund in days", source="a", metadata={"a": 1})
    found: dict[str, str] = {}
    for name, function, arguments in calls(client):
        (wrong,) = [key for key, value in arguments.items() if value is ...]
        for value in WRONG:
            if value is len and wrong in ("progress", "on_step"):
                continue  # what a caller's own function raises is the caller's
            given = {**arguments, wrong: value}
            told = complaint(partial(function, **given))
            if told:
                found[f"{name}({wrong}={str(value)[:20]!r})"] = told[:300]
    assert found == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda docs: docs.search(5), "search: query is 5, it takes str | Sequence[str]"),
        (lambda docs: docs.search("refund", k="three"), "search: k is 'three', it takes int"),
        (lambda docs: docs.search("refund", k=True), "search: k is True, it takes int"),
        (lambda docs: docs.search("refund", limit=3), "search: got an unexpected keyword .*'limit'"),
        (lambda docs: docs.search("refund", mode="x\0"), r"search: mode .*Literal|search: mode"),
        (lambda docs: docs.delete("a\0b"), r"delete: source holds the character U\+0000"),
        (lambda docs: docs.versions.text("a\ud800"), "half of a pair of surrogates"),
        (lambda docs: docs.indexes.drop(10**30), "index_id is 1000.*, more than Postgres counts"),
        (lambda docs: docs.search("refund", query_embedding=[1.0, float("nan")]), "not finite"),
        (lambda docs: docs.search("refund", query_embedding="x"), "give a list of numbers"),
        (lambda docs: docs.indexes.create(language="klingon"), "nothing of that name.*klingon"),
        (lambda docs: docs.add(text="a", source=" "), "needs text and source"),
    ],
)  # fmt: skip
def test_the_argument_is_named(client: ragpg.Client, call: Any, message: str) -> None:
    docs = client.collection("docs")
    docs.add(text="refund", source="a")
    with pytest.raises(BadArgument, match=message):
        call(docs)


def test_a_callers_own_errors_stay_as_they_are(client: ragpg.Client) -> None:
    def listen(**_: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.collection("docs").add(text="refund", source="a", progress=listen)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": 5}, "needs text and source"),
        ("text", "a record is a dictionary of text and source, not 'text'"),
        ({"text": "a", "source": "x", "title": 5}, "title of 'x' is 5: give text"),
        ({"text": "a", "source": "x", "media_type": 5}, "media_type of 'x' is 5: give text"),
        ({"text": "a", "source": "x", "embedding": "ab"}, "embedding of 'x' is 'ab': give a list"),
        ({"text": "a", "source": "x", "embedding": [[1.0] * 8]}, r"has the shape \(1, 8\)"),
        ({"text": "a", "source": "x", "embedding": [float("nan")] * 8}, "not finite"),
        ({"text": "a", "source": "x", "embedding": [1.0] * 3}, "dimensions"),
        ({"text": "a", "source": "x", "embedding": [None] * 8}, "not finite|give a list"),
    ],
)
def test_a_bad_record_does_not_lose_the_batch(
    client: ragpg.Client, record: Any, message: str
) -> None:
    good = [{"text": f"pump {n}", "source": f"p{n}"} for n in range(4)]
    report = client.collection("docs").add(records=[*good[:2], record, *good[2:]])
    assert (report.added, report.failed) == (4, 1)
    assert re.search(message, report.failures[0].reason), report.failures


def test_a_model_of_too_many_dimensions_is_told(url: str, words: Any) -> None:
    class Wide(type(words)):  # type: ignore[misc]
        name, dimensions = "wide", 16001

        def embed_documents(self, texts: Any, progress: Any = None) -> Any:
            return np.ones((len(texts), 16001), np.float32)

    with (
        ragpg.connect(url, embedder=Wide()) as client,
        pytest.raises(BadArgument, match=r"1 to 16,000 dimensions.*choose a model with fewer"),
    ):
        client.collection("docs").add(text="refund", source="a")
