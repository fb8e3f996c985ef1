"""From a question to a stored answer whose quotes the database has verified."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

import ragpg
from ragpg import errors
from ragpg.answer.answers import DONT_KNOW
from ragpg.answer.quoting import NOTHING_FITS
from ragpg.database.translation import translate
from ragpg.models import make_client

from ..conftest import WordEmbedder
from ..servers import messages as messages_server
from ..servers.messages import MessagesServer

TEXT = (
    "# Limits\n\nThe rate limit 🚦 on Pro is 1,000 requests. Ask for more.\n\nA refund takes days."
)


@pytest.fixture
def claude() -> Iterator[MessagesServer]:
    with MessagesServer() as server:
        yield server


@pytest.fixture
def pages(url: str, words: WordEmbedder, claude: MessagesServer) -> Iterator[ragpg.Collection]:
    anthropic_client = make_client(api_key="test", base_url=claude.url)
    with ragpg.connect(url, embedder=words, anthropic_client=anthropic_client) as client:
        collection = client.collection("pages")
        collection.add(text=TEXT, source="limits.md")
        yield collection


def rows(sql: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return sql.execute(query.encode()).fetchall()


@pytest.mark.parametrize("streams", [True, False])
def test_an_answer_is_stored_with_verified_quotes(
    pages: ragpg.Collection, sql: psycopg.Connection, streams: bool
) -> None:
    heard: list[str] = []
    answer = pages.ask("What is the rate limit?", on_text=heard.append if streams else None)
    assert answer.grounded and not answer.abstained
    assert "".join(heard) == (answer.text if streams else "")
    (citation,) = answer.citations
    assert TEXT[citation.start_char : citation.end_char] == citation.quote
    assert "rate limit 🚦 on Pro" in citation.quote
    (stored,) = rows(
        sql,
        """
        select answer.id, question, answer.content, model, grounded, abstained, stop_reason,
            input_tokens, output_tokens, latency_ms >= 0, quote,
            quote = substr(ragpg.document_text(document_id, document_version),
                start_char + 1, end_char - start_char)
        from ragpg.answers as answer join ragpg.citations on answer_id = answer.id
        """,
    )
    assert stored == (
        answer.id, "What is the rate limit?", answer.text, answer.model, True, False, "end_turn",
        answer.input_tokens, answer.output_tokens, True, citation.quote, True,
    )  # fmt: skip
    assert answer.input_tokens > 0 and answer.output_tokens > 0
    assert rows(sql, "select answers, grounded, abstained from ragpg.answers_by_day") == [(1, 1, 0)]


def test_nothing_that_fits_asks_no_model(
    pages: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    answer = pages.ask("password")  # an axis of its own: similarity near 0
    assert (answer.text, answer.abstained, answer.model) == (NOTHING_FITS, True, None)
    assert claude.requests == []
    sql.execute("update ragpg.search_indexes set min_similarity = -1")
    pages.ask("password")
    assert len(claude.requests) == 1, "the threshold is the search index's"
    assert rows(sql, "select count(*) from ragpg.answers") == [(2,)]


def test_an_answer_that_does_not_know_is_stored_as_such(
    pages: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    claude.enqueue(messages_server.answer(messages_server.text_block(DONT_KNOW)))
    answer = pages.ask("What is the rate limit?")
    assert answer.abstained and not answer.grounded and answer.citations == ()
    assert rows(sql, "select abstained, grounded from ragpg.answers") == [(True, False)]


def test_citations_outlive_the_document(pages: ragpg.Collection, sql: psycopg.Connection) -> None:
    pages.ask("What is the rate limit?")
    pages.add(text="Everything is new.", source="limits.md")
    pages.delete("limits.md")
    check = """
        select document_version, quote = substr(
            ragpg.document_text(document_id, document_version), start_char + 1, end_char - start_char)
        from ragpg.citations
    """
    assert rows(sql, check) == [(1, True)]


def test_a_quote_that_is_not_there_is_refused(
    pages: ragpg.Collection, sql: psycopg.Connection
) -> None:
    pages.ask("What is the rate limit?")
    for change in (
        "quote = overlay(quote placing 'X' from 1 for 1)",
        "start_char = start_char + 1, end_char = end_char + 1",
    ):
        with pytest.raises(psycopg.Error, match="is not what document") as caught:
            sql.execute(f"update ragpg.citations set {change}".encode())
        assert isinstance(translate(caught.value), errors.QuoteMismatch)
    with pytest.raises(psycopg.Error, match=r"document \d+ has no version 7") as caught:
        sql.execute("update ragpg.citations set document_version = 7")
    assert isinstance(translate(caught.value), errors.DocumentChanged)


def test_what_is_erased_while_a_model_answers_is_told_and_not_stored(
    pages: ragpg.Collection, sql: psycopg.Connection
) -> None:
    """The answer was paid for; what it quotes is to be nowhere."""

    def erase(_: str) -> None:
        assert pages.versions.erase("limits.md")["documents"] <= 1

    answer = pages.ask("What is the rate limit?", on_text=erase)
    assert answer.grounded and answer.id is None
    assert "rate limit" in answer.citations[0].quote
    assert rows(sql, "select count(*) from ragpg.answers") == [(0,)]
    pages.add(text=TEXT, source="limits.md")
    assert pages.ask("What is the rate limit?").id is not None


def test_who_erases_waits_for_an_answer_that_is_being_stored(
    pages: ragpg.Collection, sql: psycopg.Connection, url: str
) -> None:
    """In both orders no answer keeps a quote of what was erased."""
    (document_id,) = rows(sql, "select id from ragpg.documents")[0]
    cited = {"document_id": document_id, "document_version": 1, "start_char": 0, "end_char": 8}
    cited |= {"quote": TEXT[:8], "answer_start": 0, "answer_end": 1}
    save = "select ragpg.save_answer('pages', 'q', 'a', 'm', false, true, '', 0, 0, 0, 0, 0, %s)"
    erase = "select answers from ragpg.erase_document('pages', 'limits.md')"
    with (
        psycopg.connect(url) as saving,
        psycopg.connect(url) as erasing,
        ThreadPoolExecutor() as pool,
    ):
        saving.execute(save, (Jsonb([cited]),))
        erased = pool.submit(erasing.execute, erase)
        wait_for_lock(sql, erasing)
        saving.commit()
        assert erased.result(30).fetchall() == [(1,)]
        saved = pool.submit(saving.execute, save, (Jsonb([cited]),))
        wait_for_lock(sql, saving)
        erasing.commit()
        with pytest.raises(psycopg.Error, match="has no version 1") as caught:
            saved.result(30)
    assert isinstance(translate(caught.value), errors.DocumentChanged)
    assert rows(sql, "select count(*) from ragpg.answers") == [(0,)]


def wait_for_lock(sql: psycopg.Connection, waiting: psycopg.Connection) -> None:
    """Returns when the connection waits for another's lock; fails after half a minute."""
    query = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
    until = time.monotonic() + 30
    while sql.execute(query, (waiting.info.backend_pid,)).fetchone() != (True,):
        assert time.monotonic() < until, "nobody waits for a lock"
        time.sleep(0.02)


def test_a_failing_api_is_one_clear_error_and_no_row(
    pages: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    claude.enqueue(messages_server.failure(401))
    with pytest.raises(errors.AnswerError, match="ANTHROPIC_API_KEY"):
        pages.ask("What is the rate limit?")
    assert rows(sql, "select count(*) from ragpg.answers") == [(0,)]


def test_without_a_key_passages_are_quoted_and_stored(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    one = client.collection("one")
    one.add(text=TEXT, source="limits.md")
    answer = one.ask("rate limit?")
    assert not answer.generated and "ANTHROPIC_API_KEY" in answer.text
    assert answer.citations and all(c.quote in answer.text for c in answer.citations)
    stored = rows(sql, "select quote from ragpg.citations order by ordinal")
    assert stored == [(citation.quote,) for citation in answer.citations]


@pytest.mark.parametrize("asks_a_model", [True, False])
def test_a_server_that_takes_no_writes_answers_without_storing(
    pages: ragpg.Collection,
    url: str,
    words: WordEmbedder,
    claude: MessagesServer,
    asks_a_model: bool,
) -> None:
    standby = f"{url}&options=-c%20default_transaction_read_only%3Don"
    client_of_model = make_client(api_key="test", base_url=claude.url) if asks_a_model else None
    for to, read_only in ((standby, False), (url, True)):
        with ragpg.connect(
            to, embedder=words, anthropic_client=client_of_model, read_only=read_only
        ) as client:
            answer = client.collection("pages").ask("What is the rate limit on Pro?")
            assert (answer.id, answer.model is not None) == (None, asks_a_model)
            assert answer.hits
            with pytest.raises(errors.ReadOnly, match=r"nothing can be written here.*standby"):
                client.collection("pages").delete("limits.md")
            assert client.database.value("select count(*) from ragpg.answers") == 0
