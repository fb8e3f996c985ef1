"""Drafted questions: verified, no part of runs until accepted, decided on at a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

import ragpg
from ragpg import errors
from ragpg.evaluation import drafting
from ragpg.models import require_client

from ..conftest import ROOT, WordEmbedder
from ..servers.messages import MessagesServer, Reply, answer, failure, text_block

Sql = psycopg.Connection[Any]
TEXTS = {
    "refunds.md": "The refund takes five days. " + "Money is returned to the card. " * 4,
    "login.md": "A login needs a password. " + "The password is changed by mail. " * 4,
    "rates.md": "The rate limit is ten. " + "Above the limit a request waits. " * 4,
}


def draft(question: str, quote: str, *, worth: bool = True) -> Reply:
    given = {"worth_asking": worth, "question": question, "answer": "So it is.", "quote": quote}
    return answer(text_block(json.dumps(given)), thinking="What would one ask?")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    with MessagesServer() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@pytest.fixture
def docs(client: ragpg.Client) -> ragpg.Collection:
    docs = client.collection("docs")
    docs.add(records=[{"source": s, "text": t} for s, t in TEXTS.items()])
    return docs


def passages(docs: ragpg.Collection, count: int = 20) -> list[drafting.Passage]:
    found = drafting.sample_passages(docs.session.database, "docs", "default", count)
    return sorted(found, key=lambda one: one.source)  # login, rates, refunds


def put(sql: Sql, question: str, source: str, quote: str) -> int:
    row = sql.execute(
        """
        select ragpg.put_evaluation_draft(
            'docs', 'default', %s, 'So it is.', document.id, %s,
            strpos(document.content, %s) - 1, 'a model')
        from ragpg.documents as document where document.source = %s
        """,
        (question, quote, quote, source),
    ).fetchone()
    assert row is not None
    return int(row[0])


def run_drafting(
    docs: ragpg.Collection, api: MessagesServer, chosen: list[drafting.Passage], **options: Any
) -> drafting.DraftReport:
    with ragpg.connect(docs.session.database.url, embedder=docs.session.embedder) as client:
        return drafting.draft_questions(
            client.database,
            "docs",
            "default",
            chosen,
            require_client(client.session.anthropic_client(), "drafting"),
            model="claude-test",
            **{"max_tokens": 100_000, **options},
        )


def test_only_drafts_whose_quote_stands_there_are_kept(
    docs: ragpg.Collection, api: MessagesServer, sql: Sql
) -> None:
    login, rates, refunds = passages(docs)
    put(sql, "How many?", "rates.md", "limit is ten")
    api.enqueue(
        draft("What is needed\nto log in?", " needs a password "),
        draft("What is it?", "The rate limit is eleven."),
        draft("How many?", "five days"),
        draft("", "", worth=False),
        answer(text_block("I would rather not.")),
    )
    report = run_drafting(docs, api, [login, rates, refunds, refunds, refunds])
    assert (report.drafted, report.quote_not_found, report.duplicate) == (1, 1, 1)
    assert (report.not_worth_asking, report.failed, report.calls) == (1, 1, 5)
    assert report.input_tokens > 100 and report.output_tokens > 5
    kept = sql.execute(
        """
        select draft.question, draft.quote, document.source,
            substr(document.content, draft.start_char + 1, char_length(draft.quote))
        from ragpg.evaluation_drafts as draft
        join ragpg.documents as document on document.id = draft.document_id
        order by draft.id desc limit 1
        """
    ).fetchone()
    quote = "needs a password"
    assert kept == ("What is needed to log in?", quote, "login.md", quote)
    body = api.requests[0].body
    assert body["output_config"]["format"]["schema"]["required"][0] == "worth_asking"
    assert TEXTS["login.md"].strip()[:60] in body["messages"][0]["content"]


def test_a_draft_is_no_part_of_a_run_until_accepted(docs: ragpg.Collection, sql: Sql) -> None:
    first = put(sql, "What does a login need?", "login.md", "needs a password")
    second = put(sql, "How many?", "rates.md", "limit is ten")
    docs.evaluation.run()
    assert docs.evaluation.runs() == [], "a run of no question"
    sql.execute("select ragpg.accept_draft(%s)", [first])
    docs.evaluation.run()
    (run,) = docs.evaluation.runs()
    assert (run["questions"], run["labelled_questions"], run["recall"]) == (1, 1, 1)
    row = sql.execute(
        "select question, expected_answer, tags from ragpg.evaluation_questions"
    ).fetchone()
    assert row == ("What does a login need?", "So it is.", ["drafted"])
    with pytest.raises(psycopg.Error, match="there is no draft"):
        sql.execute("select ragpg.accept_draft(%s)", [first])
    sql.execute(
        "select ragpg.put_evaluation_question('docs', 'default', 'How many?', %s)",
        [Jsonb([{"source": "rates.md"}])],
    )
    with pytest.raises(psycopg.Error, match="holds this question already"):
        sql.execute("select ragpg.accept_draft(%s)", [second])
    assert sql.execute("select id from ragpg.evaluation_drafts").fetchall() == [(second,)]


def test_a_quote_that_moved_is_found_and_one_that_is_gone_is_told(
    docs: ragpg.Collection, url: str, sql: Sql
) -> None:
    put(sql, "What does a login need?", "login.md", "needs a password")
    gone = put(sql, "How many?", "rates.md", "limit is ten")
    docs.add(text="Before all: " + TEXTS["login.md"], source="login.md")
    docs.add(text=TEXTS["rates.md"].replace("ten", "twenty"), source="rates.md")
    moved, lost = docs.evaluation.drafts()
    assert moved["before"].endswith("Before all: A login ") and lost["before"] is None
    with pytest.raises(errors.QuoteMismatch, match="no longer holds the quote"):
        docs.evaluation.accept(gone)
    done = run(url, "review", "-c", "docs", "--accept-all")
    assert done.returncode == 0 and "1 accepted unseen, 1 left" in done.stdout
    assert docs.evaluation.lost_labels() == []
    docs.evaluation.reject(gone)
    assert docs.evaluation.drafts() == []


def test_drafting_in_python(
    docs: ragpg.Collection, api: MessagesServer, words: WordEmbedder
) -> None:
    with pytest.raises(errors.AnswerError, match="no API key is set"):
        docs.evaluation.draft()
    api.enqueue(*(draft(f"Which {n}?", ".") for n in range(2)))
    with ragpg.connect(docs.session.database.url, embedder=words) as client:
        assert client.collection("docs").evaluation.draft(count=2).drafted == 2
    assert [one["question"] for one in docs.evaluation.drafts()] == ["Which 0?", "Which 1?"]


def test_the_database_checks_the_quote(docs: ragpg.Collection, sql: Sql) -> None:
    with pytest.raises(psycopg.Error, match="does not hold this quote") as caught:
        put(sql, "How?", "rates.md", "limit is eleven")
    assert caught.value.sqlstate == "RG006"


def test_passages_are_spread_and_not_drawn_again(docs: ragpg.Collection, sql: Sql) -> None:
    docs.add(text="Uptime. " * 400, source="long.md")
    docs.add(text="Short.", source="short.md")
    sources = [one.source for one in passages(docs, 4)]
    assert sorted(sources) == sorted([*TEXTS, "long.md"]), "one of each that is long enough"
    for one in passages(docs, 4):
        text = TEXTS.get(one.source, "Uptime. " * 400)
        assert text[one.start_char :].startswith(one.content)
    rejected = put(sql, "How long?", "refunds.md", "five days")
    docs.evaluation.reject(rejected)
    sql.execute(
        "select ragpg.put_evaluation_question('docs', 'default', 'What?', %s)",
        [Jsonb([{"source": "login.md", "quote": "A login"}])],
    )
    assert {one.source for one in passages(docs, 100)} == {"rates.md", "long.md"}
    assert docs.evaluation.drafts() == []
    docs.versions.erase("refunds.md")
    assert sql.execute("select count(*) from ragpg.evaluation_drafts").fetchone() == (0,)


def test_drafting_is_capped_and_keeps_what_it_has(
    docs: ragpg.Collection, api: MessagesServer, sql: Sql
) -> None:
    chosen = passages(docs)
    expected = drafting.estimate(chosen)
    assert expected.calls == 3 and expected.input_tokens > sum(map(len, TEXTS.values())) / 4
    with pytest.raises(errors.BadArgument, match="3 calls would take about"):
        run_drafting(docs, api, chosen, max_tokens=expected.tokens - 1)
    assert api.requests == []
    api.enqueue(draft("One?", "A login"), failure(400, "out of order"))
    with pytest.raises(errors.AnswerError, match="out of order"):
        run_drafting(docs, api, chosen)
    assert sql.execute("select question from ragpg.evaluation_drafts").fetchall() == [("One?",)]
    api.enqueue(draft("Two?", "needs a password " * 2000))
    report = run_drafting(docs, api, chosen, max_tokens=expected.tokens)
    assert (report.calls, report.quote_not_found, report.capped) == (1, 1, True)


class Terminal:
    """A command at a terminal: sees what it prints, types keys."""

    def __init__(self, url: str, *arguments: str) -> None:
        self.keys, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ragpg", "eval", *arguments],
            env={**os.environ, "RAGPG_DATABASE_URL": url, "COLUMNS": "100"},
            cwd=ROOT,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        os.close(terminal)
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self.seen = ""

    def see(self, text: str, seconds: float = 60) -> str:
        """Returns what was printed up to a text that was not seen before."""
        assert self.process.stdout
        for _ in range(int(seconds * 20)):
            self.seen += (self.process.stdout.read() or b"").decode()
            if text in self.seen:
                before, _, self.seen = self.seen.partition(text)
                time.sleep(0.2)  # the terminal turns raw, which drops what was typed before
                return before
            time.sleep(0.05)
        raise AssertionError(f"{text!r} was not printed: {self.seen}")

    def close(self) -> None:
        """Ends the command, in the middle of what it does."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
        os.close(self.keys)

    def type(self, keys: str) -> None:
        os.write(self.keys, keys.encode())


def test_a_person_decides_at_the_terminal(docs: ragpg.Collection, url: str, sql: Sql) -> None:
    for number, quote in enumerate(("A login", "needs a", "password", "is changed", "by mail")):
        put(sql, f"Question {number}?", "login.md", quote)
    terminal = Terminal(url, "review", "-c", "docs")
    shown = terminal.see("[q]uit")
    assert "1 of 5" in shown and "Question 0?" in shown and "login.md" in shown
    terminal.type("a")
    assert "Question 1?" in terminal.see("[q]uit")
    terminal.type("r")
    terminal.see("[q]uit")
    terminal.type("s")
    terminal.see("[q]uit")
    terminal.type("e")
    terminal.see("question (Enter keeps it)")
    terminal.type("Which way?\n")
    terminal.see("answer (Enter keeps it)")
    terminal.type("\n")
    assert "Which way?" in terminal.see("[q]uit")
    terminal.type("a")
    terminal.see("[q]uit")
    terminal.close()  # in the middle of the last one
    asked = sql.execute("select question from ragpg.evaluation_questions order by id").fetchall()
    assert asked == [("Question 0?",), ("Which way?",)]
    assert [one["question"] for one in docs.evaluation.drafts()] == ["Question 2?", "Question 4?"]
    again = Terminal(url, "review", "-c", "docs")
    assert "1 of 2" in again.see("[q]uit")
    again.type("q")
    again.see("0 accepted, 0 rejected, 2 left")
    assert again.process.wait(20) == 0
    again.close()


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ragpg", "eval", *arguments],
        env={**os.environ, "RAGPG_DATABASE_URL": url, "COLUMNS": "200"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_commands_of_machines(
    docs: ragpg.Collection, url: str, sql: Sql, api: MessagesServer
) -> None:
    done = run(url, "draft", "-c", "docs", "-n", "2", "--dry-run", "--json")
    assert json.loads(done.stdout)["calls"] == 2 and api.requests == []
    api.enqueue(*(draft(f"Which {n}?", "nowhere") for n in range(2)), draft("Which?", "."))
    done = run(url, "draft", "-c", "docs", "-n", "3", "--json")
    report = json.loads(done.stdout)
    assert (report["drafted"], report["quote_not_found"]) == (1, 2), done
    done = run(url, "review", "-c", "docs")
    assert done.returncode != 0 and "--accept-all" in done.stderr
    done = run(url, "review", "-c", "docs", "--accept-all")
    assert done.stdout == "1 accepted unseen\n"
    assert sql.execute("select question from ragpg.evaluation_questions").fetchall() == [
        ("Which?",)
    ]
    del os.environ["ANTHROPIC_API_KEY"]
    done = run(url, "draft", "-c", "docs")
    assert done.returncode != 0 and "ANTHROPIC_API_KEY" in done.stderr
