"""Sentences of context by the Message Batches API, and on the command line."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

import ragpg
from ragpg import errors
from ragpg.models.usage import Budget

from ..servers.messages import BATCHES, MessagesServer, failure
from .situating import MODEL, Sql, build, count, prices, put_prices, run, start, wait_for

# Batches -----------------------------------------------------------------------------------------


def test_a_batch_brings_the_sentences(
    docs: ragpg.Collection, api: MessagesServer, sql: Sql
) -> None:
    put_prices(sql)
    budget = Budget()
    made = build(docs, budget, batch=True, poll_seconds=0.01)
    (submitted,) = posts(api)
    chunks = count(sql, "select count(*) from ragpg.chunks where index_id = %s", made)
    assert len(submitted) == chunks and budget.spent.tokens > 0
    cached = submitted[0]["params"]["messages"][0]["content"][0]["cache_control"]
    assert cached == {"type": "ephemeral", "ttl": "1h"}
    (costs,) = docs.indexes.context_costs()
    assert (costs["in_batch"], costs["sentences"], costs["open"]) == (True, chunks, 0)
    assert costs["cost"] == budget.spent.cost(prices(), batch=True)
    docs.indexes.activate(made)
    assert len(docs.search("handbook", mode="keyword", k=50)) == chunks
    assert sql.execute("select state, error from ragpg.context_batches").fetchall() == [
        ("ended", None)
    ]


def test_killed_while_a_batch_is_open_it_is_not_submitted_again(
    docs: ragpg.Collection, api: MessagesServer, sql: Sql, url: str
) -> None:
    api.polls_before_end = 10_000
    made = docs.indexes.create(context_model=MODEL)
    child = start(
        url, f"client.collection().indexes.write_contexts({made.id}, batch=True, poll_seconds=0.01)"
    )
    wait_for(lambda: len(api.requests) > 3)
    with pytest.raises(errors.BadArgument, match="another session"):
        docs.indexes.write_contexts(made.id, batch=True, poll_seconds=0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with pytest.raises(errors.AnswerError, match="in a batch that is under way"):
        docs.indexes.write_contexts(made.id)
    assert docs.indexes.estimate_missing_contexts(made.id).calls == 0
    api.batches["msgbatch_0"].polls_left = 2
    wait_for(lambda: free(docs, made.id))
    docs.indexes.fill(made.id)
    assert len(posts(api)) == 1
    assert count(sql, "select count(*) from ragpg.chunk_contexts where sentence is null") == 0


def free(docs: ragpg.Collection, index_id: int) -> bool:
    """Goes on with the batch, once the killed session's lock is gone."""
    try:
        docs.indexes.write_contexts(index_id, batch=True, poll_seconds=0.01)
    except errors.BadArgument:
        return False
    return True


@pytest.mark.parametrize("arrived", [True, False])
def test_a_submission_that_was_cut_off_is_found_or_made_again(
    docs: ragpg.Collection, api: MessagesServer, sql: Sql, arrived: bool
) -> None:
    made = build(docs, batch=True, poll_seconds=0.01)
    # As after a kill between the commit and the API's answer.
    sql.execute(
        "update ragpg.context_batches"
        " set state = 'submitting', provider_batch_id = null, ended_at = null"
    )
    sql.execute("update ragpg.chunk_contexts set sentence = null, problem = null")
    sql.execute(
        "update ragpg.index_documents set document_version = null, pending_since = now()"
        " where index_id = %s",
        [made],
    )
    if not arrived:
        api.batches.clear()
    docs.indexes.write_contexts(made, batch=True, poll_seconds=0.01)
    assert len(posts(api)) == (1 if arrived else 2)
    assert count(sql, "select count(*) from ragpg.chunk_contexts where sentence is null") == 0


def test_what_failed_in_a_batch_is_told_and_asked_again(
    docs: ragpg.Collection, api: MessagesServer, sql: Sql
) -> None:
    made = docs.indexes.create(context_model=MODEL)
    api.polls_before_end = 0
    api.enqueue(failure(400, "too much"))
    with pytest.raises(errors.AnswerError, match="too much"):
        docs.indexes.write_contexts(made.id, batch=True, poll_seconds=0.01)
    assert count(sql, "select count(*) from ragpg.chunk_contexts") == 0
    api.errors_per_batch = 1
    with pytest.raises(errors.AnswerError, match="1 requests of a batch failed"):
        docs.indexes.write_contexts(made.id, batch=True, poll_seconds=0.01)
    api.errors_per_batch = 0
    docs.indexes.write_contexts(made.id, batch=True, poll_seconds=0.01)
    assert [len(one) for one in posts(api)][-1] == 1


def test_a_batch_stays_under_the_cap(docs: ragpg.Collection, api: MessagesServer, sql: Sql) -> None:
    made = docs.indexes.create(context_model=MODEL)
    expected = docs.indexes.estimate_missing_contexts(made.id)
    cap = Budget(expected.usage.tokens // 2)
    with pytest.raises(errors.CapReached):
        docs.indexes.write_contexts(made.id, cap, batch=True, poll_seconds=0.01)
    (submitted,) = posts(api)
    assert 0 < len(submitted) < expected.calls
    assert count(sql, "select count(*) from ragpg.chunk_contexts") == len(submitted)


# On the command line -----------------------------------------------------------------------------


def test_on_the_command_line(docs: ragpg.Collection, api: MessagesServer, url: str) -> None:
    given = ("-c", "docs", "--contextual", "--context-model", MODEL)
    assert run(url, "index", "build", "-c", "docs", "--dry-run").returncode == 1
    done = run(url, "index", "build", *given, "--dry-run", "--json")
    found = json.loads(done.stdout)
    assert found["calls"] == found["chunks"] > 4 and api.requests == []
    done = run(url, "index", "build", *given, "--max-tokens", "1000")
    assert done.returncode == 1 and "to go on: ragpg index continue 2" in done.stderr
    done = run(url, "index", "continue", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["indexed"] == 2 and len(api.requests) == found["calls"]
    assert f"context by {MODEL}" in run(url, "index", "list").stdout


def posts(api: MessagesServer) -> list[Any]:
    """Returns the requests of each batch that was taken."""
    return [
        one.body["requests"]
        for one in api.requests
        if one.path == BATCHES and one.body is not None and one.status == 200
    ]
