"""Steps, tokens, seconds and money each end an endless searcher, and the row says which."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from itertools import count
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.conversation import ENDINGS
from ragpg.conversation.limits import Meter

from ..servers.messages import MessagesServer, Reply, calls, text_block, tool_call
from .texts import TWO_STEPS, VERIFIED, rows

PRICES = "insert into ragpg.model_prices values ('claude-sonnet-5-5', 3, 15, 0.3, 3.75)"


class Endless:
    """A model that searches as long as it may, and then answers."""

    def __init__(self, seconds: float = 0.0, *said: Any) -> None:
        self.seconds = seconds
        self.said = said
        self.number = count(1)

    def __call__(self, body: Any) -> Reply:
        time.sleep(self.seconds if len(body["messages"]) > 1 else 0)
        if body.get("tool_choice") == {"type": "none"}:
            return Reply()
        number = next(self.number)
        return calls(*self.said, tool_call("search", number, query=f"plan {number}", k=1))


@pytest.mark.parametrize(
    ("limits", "ended_by"),
    [
        ({"steps": 3}, "steps"),
        ({"steps": 500, "max_tokens": 12_000}, "tokens"),
        ({"steps": 500, "max_cost": 0.08}, "cost"),
        ({"steps": 500, "max_seconds": 3}, "seconds"),
    ],
)
@pytest.mark.parametrize("streams", [True, False])
def test_each_limit_ends_an_endless_searcher(
    firm: ragpg.Collection,
    sql: psycopg.Connection,
    claude: MessagesServer,
    limits: dict[str, Any],
    ended_by: str,
    streams: bool,
) -> None:
    sql.execute(PRICES)
    claude.plays = Endless(0.4 if ended_by == "seconds" else 0)
    heard: list[str] = []
    asked = firm.ask(TWO_STEPS, 2, **limits, on_text=heard.append if streams else None)
    assert asked.ended_by == ended_by and asked.generated and asked.citations
    assert "".join(heard) == (asked.text if streams else "")
    assert len(asked.steps) > 2
    last = claude.requests[-1].body
    assert last["tool_choice"] == {"type": "none"}
    assert ENDINGS[ended_by] in last["messages"][-1]["content"][-1]["text"]
    row = rows(
        sql,
        "select ended_by, input_tokens + output_tokens + cache_read_tokens + cache_creation_tokens,"
        " (select count(*) from ragpg.answer_steps) from ragpg.answers",
    )
    assert row[0][0] == ended_by and row[0][2] == len(asked.steps)
    if ended_by == "tokens":
        assert row[0][1] <= 12_000
    if ended_by == "cost":
        cost = rows(sql, "select cost from ragpg.answers_by_day")
        assert 0.02 < cost[0][0] <= 0.08
    assert rows(sql, VERIFIED)[0][1]


@pytest.mark.parametrize(
    ("limits", "ended_by"), [({"max_tokens": 100}, "tokens"), ({"max_cost": 0.0001}, "cost")]
)
def test_without_room_for_an_answer_the_passages_are_quoted(
    firm: ragpg.Collection,
    sql: psycopg.Connection,
    claude: MessagesServer,
    limits: dict[str, Any],
    ended_by: str,
) -> None:
    sql.execute(PRICES)
    asked = firm.ask(TWO_STEPS, steps=4, **limits)
    assert claude.requests == []
    assert asked.ended_by == ended_by and not asked.generated
    assert ENDINGS[ended_by] in asked.text and asked.citations
    assert rows(sql, "select ended_by, content from ragpg.answers") == [(ended_by, asked.text)]


@pytest.mark.parametrize("streams", [True, False])
def test_when_the_time_is_over_what_was_written_before_is_the_answer(
    firm: ragpg.Collection, claude: MessagesServer, streams: bool
) -> None:
    slow = Endless(5, text_block("Hartwell signed it.", (0, 0, 1)))
    claude.plays = slow
    asked = firm.ask(
        TWO_STEPS, 2, steps=99, max_seconds=2, on_text=(lambda _: None) if streams else None
    )
    assert (asked.ended_by, asked.text) == ("seconds", "Hartwell signed it.")
    assert asked.citations and asked.latency_ms < 60_000


def test_without_prices_a_cost_cannot_be_capped(firm: ragpg.Collection) -> None:
    with pytest.raises(errors.BadArgument, match="no row for"):
        firm.ask(TWO_STEPS, steps=2, max_cost=1)


KILLED = """
import sys
import ragpg
from ragpg.models import make_client
from tests.conftest import WordEmbedder

sdk = make_client(api_key="test", base_url=sys.argv[2])
with ragpg.connect(sys.argv[1], embedder=WordEmbedder(), anthropic_client=sdk) as client:
    client.collection("firm").ask(
        sys.argv[3], 1, steps=4, on_step=lambda step: print(step.place, flush=True)
    )
"""


def test_killed_in_the_middle_of_step_2_it_loses_at_most_that_step(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer, url: str
) -> None:
    claude.enqueue(calls(tool_call("search", query="audited by Hartwell")))
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), url, claude.url, TWO_STEPS],
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        assert killed.stdout
        assert killed.stdout.readline() == "1\n"
        assert killed.stdout.readline() == "2\n"
        claude.answers.clear()  # the next message is asked for, and does not come
        os.kill(killed.pid, signal.SIGKILL)
        claude.answers.set()
    found = rows(
        sql,
        "select answer.ended_by, answer.content, answer.input_tokens > 0, count(*)"
        " from ragpg.answers as answer join ragpg.answer_steps as step on step.answer_id = answer.id"
        " group by answer.id",
    )
    assert found == [("unfinished", "", True, 2)]
    assert rows(sql, "select count(*) from ragpg.verify() where problem like 'quote%'") == [(0,)]
    assert rows(sql, "select answers, unfinished from ragpg.answers_by_day") == [(1, 1)]


@pytest.mark.parametrize(
    ("limits", "ended_by"),
    [
        ({"max_tokens": 100}, "tokens"),
        ({"max_cost": 0.0001}, "cost"),
        ({"max_seconds": 1}, "seconds"),
    ],
)
def test_a_follow_up_is_not_worded_beyond_a_limit(
    firm: ragpg.Collection,
    sql: psycopg.Connection,
    claude: MessagesServer,
    limits: dict[str, Any],
    ended_by: str,
) -> None:
    sql.execute(PRICES)
    conversation = firm.conversation()
    conversation.ask("What does the Pro plan cost?", 2)
    claude.forget()
    if ended_by == "seconds":
        claude.answers.clear()  # it hangs
    started = time.monotonic()
    asked = conversation.ask("And the Enterprise one?", 2, **limits)
    claude.answers.set()
    assert (asked.ended_by, asked.generated) == (ended_by, False)
    assert asked.standalone == "What does the Pro plan cost? And the Enterprise one?"
    assert time.monotonic() - started < 10
    if ended_by != "seconds":
        assert claude.requests == []


def test_time_that_is_over_ends_a_message_that_still_thinks(
    firm: ragpg.Collection, claude: MessagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plays(body: Any) -> Reply:
        monkeypatch.setattr(Meter, "seconds_left", lambda self: -1.0)
        return calls(tool_call("search", query="plan"), thinking="Which plan may that be?")

    monkeypatch.setattr(Meter, "seconds_left", lambda self: 9.0)
    claude.plays = plays
    asked = firm.ask(TWO_STEPS, 2, steps=4, max_seconds=9)
    assert (asked.ended_by, len(asked.steps)) == ("seconds", 1)
