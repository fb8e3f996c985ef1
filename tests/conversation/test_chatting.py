"""`ragpg chat` and `ragpg ask --steps` as a user types them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import ragpg

from ..conftest import ROOT
from ..servers.messages import MessagesServer, answer, calls, failure, text_block, tool_call
from .texts import SIGNED, TEXTS, TWO_STEPS, rows

RAGPG = [sys.executable, "-m", "ragpg"]


@pytest.fixture
def environment(initialised: Path, claude: MessagesServer) -> dict[str, str]:
    """Of commands."""
    with ragpg.connect() as client:
        for source, (text, metadata) in TEXTS.items():
            client.collection("firm").add(text=text, source=source, metadata=metadata)
    given = {"ANTHROPIC_API_KEY": "test", "ANTHROPIC_BASE_URL": claude.url, "COLUMNS": "200"}
    return {**os.environ, **given}


@pytest.fixture
def stored(environment: dict[str, str]) -> Iterator[psycopg.Connection]:
    """A connection to the commands' database."""
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def chat(environment: dict[str, str], *lines: str, options: tuple[str, ...] = ()) -> Any:
    return subprocess.run(
        [*RAGPG, "chat", "-c", "firm", *options],
        input="\n".join(lines) + "\n",
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_each_line_of_a_machine_is_answered_by_lines_of_json(
    environment: dict[str, str], claude: MessagesServer, stored: psycopg.Connection
) -> None:
    claude.enqueue(calls(tool_call("search", query="audited by Hartwell")), answer())
    claude.enqueue(answer(text_block("Who signed the report of 2023?")), answer())
    lines = (TWO_STEPS, "/sources", "/filter $.year == 2023", "Who signed it?", "/good", "/nonsense",
             "/bad It was Quill.", "/filter $.year ==", "/filter")  # fmt: skip
    done = chat(environment, *lines, options=("--json",))
    assert done.returncode == 1, "a command was wrong"
    told = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [next(iter(one)) for one in told]
    assert kinds == [
        "step", "step", "answer", "sources", "filter", "step", "step", "answer", "feedback",
        "error", "feedback", "filter", "filter",
    ]  # fmt: skip
    assert told[1]["step"]["query"] == "audited by Hartwell"
    first, second = told[2]["answer"], told[7]["answer"]
    assert first["ended_by"] == "answer" and second["standalone"] == SIGNED
    assert {hit["source"] for hit in second["hits"]} == {"report-2023.md"}
    assert "/nonsense is no command" in told[9]["error"]
    assert rows(stored, "select rating, corrected_text from ragpg.answer_feedback order by id") == [
        ("good", None), ("bad", "It was Quill."),
    ]  # fmt: skip
    assert rows(stored, "select turn from ragpg.conversation_turns order by 1") == [(1,), (2,)]
    done = chat(environment, "And Acme?", options=("--continue", "--json", "--steps", "1"))
    assert done.returncode == 0, done.stderr
    assert rows(stored, "select max(turn), count(*) from ragpg.conversation_turns") == [(3, 3)]


def test_what_failed_is_not_judged_as_the_answer_before(
    environment: dict[str, str], claude: MessagesServer, stored: psycopg.Connection
) -> None:
    claude.enqueue(answer(), failure(401), failure(401))  # the wording, too
    done = chat(environment, SIGNED, TWO_STEPS, "/bad It was Quill.", options=("--json",))
    errors = [json.loads(line).get("error", "") for line in done.stdout.splitlines()]
    assert "nothing was answered" in errors[-1]
    assert rows(stored, "select rating from ragpg.answer_feedback") == []


def test_a_question_asked_alone_is_continued(
    environment: dict[str, str], claude: MessagesServer, stored: psycopg.Connection
) -> None:
    ask = [*RAGPG, "ask", "-c", "firm"]
    for more in ([SIGNED], ["And of 2024?", "--continue", "--max-tokens", "90"]):
        done = subprocess.run(
            [*ask, *more], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
    assert "ended by tokens: the cap of tokens was reached" in done.stderr
    assert "searching for, too:" in done.stderr
    turns = rows(stored, "select turn, question, ended_by from ragpg.conversation_turns order by 1")
    assert turns == [(1, SIGNED, None), (2, "And of 2024?", "tokens")]


@pytest.mark.parametrize("command", [["ask", "And then?"], ["chat"]])
def test_one_conversation_is_named(environment: dict[str, str], command: list[str]) -> None:
    done = subprocess.run(
        [*RAGPG, *command, "-c", "firm", "--continue", "--conversation", "1"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2 and "name two conversations" in done.stderr


def until(what: Callable[[], Any]) -> None:
    """Returns once it is so; fails after a minute."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_ctrl_c_ends_an_answer_and_not_the_chat(
    environment: dict[str, str], claude: MessagesServer, stored: psycopg.Connection
) -> None:
    """On a terminal, as a person has it."""
    ours, theirs = pty.openpty()
    claude.answers.clear()
    with subprocess.Popen(
        [*RAGPG, "chat", "-c", "firm"], env=environment, cwd=ROOT, stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, f"{SIGNED}\n".encode())
        until(lambda: claude.requests)
        process.send_signal(signal.SIGINT)
        until(lambda: rows(stored, "select from ragpg.answers where ended_by = 'failed'"))
        claude.answers.set()
        os.write(
            ours,
            b"What does the Enterprise plan cost a month, all in all, for ten people in euros?\n",
        )
        until(lambda: rows(stored, "select from ragpg.answers where ended_by = 'answer'"))
        os.write(ours, b"/quit\n")
        shown = b""
        while piece := _read(ours):
            shown += piece
        assert process.wait(60) == 0
    text = shown.decode()
    assert "stopped; what was looked up is kept" in text and "900 euros" in text
    assert "to go on: ragpg chat -c firm --conversation 1" in text
    assert len(claude.requests) == 2, "a failed turn is nothing that is followed"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # its other end is closed
        return b""
