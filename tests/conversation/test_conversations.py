"""Turns are rows; a follow-up is searched for as it stands alone; what was said is sent as it was."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from threading import Barrier
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.conversation import Conversation, asking
from ragpg.conversation.followups import stands_alone
from ragpg.conversation.history import PastTurn, past_messages
from ragpg.models import estimate_tokens

from ..servers.messages import MessagesServer, answer, calls, failure, text_block, tool_call
from .texts import SIGNED, TEXTS, TWO_STEPS, VERIFIED, rows

FOLLOWS = "And what does the Enterprise one cost?"
ALONE = "What does the Enterprise plan cost?"


def reworded(text: str = ALONE, **options: Any) -> Any:
    return answer(text_block(text), **options)


def test_a_follow_up_is_worded_for_the_search_and_both_wordings_are_searched(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    conversation = firm.conversation()
    first = conversation.ask("What does the Pro plan cost?", 2)
    claude.enqueue(reworded())
    second = conversation.ask(FOLLOWS, 2)
    assert (first.standalone, second.standalone) == (None, ALONE)
    assert second.conversation_id == conversation.id and second.grounded
    assert "900 euros" in second.text
    wording = claude.requests[1].body
    assert "tools" not in wording and wording["max_tokens"] == 1024
    told = wording["messages"][0]["content"]
    assert "What does the Pro plan cost?" in told and "40 euros" in told and FOLLOWS in told
    found = {hit.chunk_id for hit in firm.search([FOLLOWS, ALONE], 2)}
    assert {hit.chunk_id for hit in second.hits} == found
    steps = rows(
        sql,
        "select answer.turn, step.place, step.tool, step.query, step.input_tokens > 0"
        " from ragpg.answer_steps as step join ragpg.answers as answer on answer.id = answer_id"
        " order by 1, 2",
    )
    assert steps == [
        (1, 1, "search", "What does the Pro plan cost?", False),
        (2, 1, "standalone", ALONE, True),
        (2, 2, "search", FOLLOWS, False),
    ]
    turns = conversation.turns()
    assert [(one.turn, one.question, one.standalone) for one in turns] == [
        (1, "What does the Pro plan cost?", None), (2, FOLLOWS, ALONE),
    ]  # fmt: skip
    assert [one.answer for one in turns] == [first.text, second.text]
    assert rows(sql, VERIFIED) == [(2, True)]


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("And for the enterprise plan?", False),
        ("How long?", False),
        ("What does the enterprise plan cost in euros a month for ten people in all", True),
        ("What does it cost in euros a month for ten people who work in two offices", False),
        ("Was kostet das in Euro im Monat, wenn zehn Leute davon in zwei Büros arbeiten", False),
        ("企业版计划每个月对于在两个办公室工作的十个人来说总共需要多少欧元呢", True),
        ("企业版呢", False),
        ("", False),
    ],
)
def test_which_questions_stand_alone(question: str, alone: bool) -> None:
    assert stands_alone(question) is alone


@pytest.mark.parametrize(
    "fails", [failure(401), reworded("", stop_reason="refusal"), reworded("x" * 900)]
)
def test_where_the_model_words_nothing_the_last_question_helps(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer, fails: Any
) -> None:
    conversation = firm.conversation()
    conversation.ask("What does the Pro plan cost?")
    claude.enqueue(fails)
    second = conversation.ask(FOLLOWS)
    assert second.standalone == f"What does the Pro plan cost? {FOLLOWS}" and second.grounded
    assert rows(sql, "select count(*) from ragpg.answer_steps where failed is not null") == [(1,)]


def test_without_a_key_the_last_question_s_words_help(
    firm: ragpg.Collection, sql: psycopg.Connection, url: str, words: Any
) -> None:
    with ragpg.connect(url, embedder=words) as client:
        conversation = client.collection("firm").conversation()
        conversation.ask("What does the Pro plan cost?")
        second = conversation.ask("And the other?", steps=4)
        assert not second.generated and "ANTHROPIC_API_KEY" in second.text
        assert second.standalone == "What does the Pro plan cost? And the other?"
        assert "plans.md" in {hit.source for hit in second.hits} and second.citations
    assert rows(sql, VERIFIED)[0][1]


def test_what_was_said_is_sent_as_it_was_and_read_from_the_cache(
    firm: ragpg.Collection, claude: MessagesServer
) -> None:
    """The second turn's request begins with the first's messages, byte for byte."""
    conversation = firm.conversation()
    conversation.ask("What does the Pro plan cost?", 2)
    claude.enqueue(reworded())
    again = firm.conversation(conversation.id)  # as another process would, from rows alone
    second = again.ask(FOLLOWS, 2)
    claude.enqueue(reworded(SIGNED))
    third = conversation.ask("Who signed it?", 2)
    sent = [request.body for request in claude.requests if len(request.body["system"]) == 1]
    texts = [json.dumps(body["messages"])[:-1] for body in sent]
    assert [len(body["messages"]) for body in sent] == [1, 3, 5]
    assert texts[1].startswith(texts[0]) and texts[2].startswith(texts[1])
    assert sent[0]["system"] == sent[1]["system"]
    marks = [
        [
            place
            for place, one in enumerate(body["messages"])
            if "cache_control" in one["content"][-1]
        ]
        for body in sent
    ]
    assert marks == [[0], [0, 2], [0, 2, 4]]
    assert all("cache_control" in body["system"][0] for body in sent)
    assert second.cache_read_tokens > estimate_tokens(texts[0]) // 2 > 0
    assert third.cache_read_tokens > second.cache_read_tokens


def test_steps_read_what_was_sent_from_the_cache(
    firm: ragpg.Collection, claude: MessagesServer
) -> None:
    for number in range(1, 4):
        claude.enqueue(calls(tool_call("search", number, query=f"plan {number}", k=1)))
    asked = firm.ask(TWO_STEPS, 1, steps=9)
    sizes = [len(request.body["messages"]) for request in claude.requests]
    assert sizes == [1, 3, 5, 7]
    for before, after in pairwise(claude.requests):
        plain = [json.dumps(one).replace(MARK, "") for one in after.body["messages"]]
        was = [json.dumps(one).replace(MARK, "") for one in before.body["messages"]]
        assert plain[: len(was)] == was
    usages = [step.usage for step in asked.steps[1:]]
    assert usages[0].cache_read_tokens == 0 < usages[1].cache_read_tokens
    assert usages[1].cache_read_tokens < usages[2].cache_read_tokens


MARK = ', "cache_control": {"type": "ephemeral"}'


def turn(number: int, chars: int) -> PastTurn:
    return PastTurn(number, f"Question {number}?", None, "a" * chars, True, [])


def test_the_history_is_bounded_and_its_prefix_lasts() -> None:
    turns = [turn(number, 350) for number in range(1, 60)]
    begins, most = [], 2_000
    for count in range(1, 60):
        messages, _ = past_messages(turns[:count], most)
        assert estimate_tokens(json.dumps(messages)) <= most + 50
        begins.append(messages[0]["content"][0]["text"])
    changes = sum(before != after for before, after in pairwise(begins))
    assert 3 < changes < 10, "the prefix changed with nearly every turn"
    assert past_messages([turn(1, 90_000)], most) == ([], [])


def test_a_turn_may_cite_what_an_earlier_one_was_shown(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    conversation = firm.conversation()
    conversation.ask(SIGNED, 1)
    claude.enqueue(reworded("Who is audited by Hartwell?"))
    claude.enqueue(answer(text_block("Hartwell signed.", (0, 1, 2)), text_block(" So.", (1, 0, 1))))
    second = conversation.ask("Who do they audit?", 1)
    first_text = TEXTS["report-2023.md"][0]
    assert second.citations[0].quote in first_text
    assert second.citations[0].start_char == first_text.index(second.citations[0].quote)
    assert rows(sql, VERIFIED)[0] == (3, True)


def test_an_earlier_turn_shows_nothing_that_this_one_s_filter_hides(
    firm: ragpg.Collection, claude: MessagesServer
) -> None:
    conversation = firm.conversation()
    conversation.ask(SIGNED, 1)
    claude.enqueue(reworded())
    conversation.ask(FOLLOWS, 1, filter={"year": 2024})
    shown = [
        block["source"]
        for message in claude.requests[-1].body["messages"]
        for block in message["content"]
        if block["type"] == "search_result"
    ]
    assert shown == ["plans.md"]


def test_a_conversation_of_another_collection_is_refused(
    firm: ragpg.Collection, firm_client: ragpg.Client, claude: MessagesServer
) -> None:
    conversation = firm.conversation()
    secrets = firm_client.collection("secrets")
    for attempt in (
        lambda: secrets.conversation(conversation.id),
        lambda: secrets.ask("Who signed?", conversation_id=conversation.id),
        lambda: Conversation(secrets.session, "secrets", conversation.id).ask("Who signed?"),
    ):
        with pytest.raises(errors.BadArgument, match="there is no conversation"):
            attempt()
    assert claude.requests == []
    assert not Conversation(secrets.session, "secrets", conversation.id).delete()
    with pytest.raises(errors.BadArgument, match="there is no conversation"):
        firm_client.database.value(
            "select ragpg_internal.start_answer('secrets', 'q', null, %(id)s)", id=conversation.id
        )


def test_two_who_ask_at_once_have_a_turn_each(
    firm: ragpg.Collection, sql: psycopg.Connection
) -> None:
    conversation = firm.conversation()
    together = Barrier(4)

    def ask(number: int) -> int | None:
        together.wait(30)
        return conversation.ask(f"Who signed the report number {number} of 2023?").id

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(ask, range(4)))
    assert sorted(rows(sql, "select turn from ragpg.conversation_turns")) == [
        (1,),
        (2,),
        (3,),
        (4,),
    ]
    assert len(set(ids)) == 4 and None not in ids


def test_deleted_and_pruned_a_conversation_leaves_nothing(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    old, new = firm.conversation(), firm.conversation()
    for conversation in (old, new):
        claude.enqueue(calls(tool_call("search", query="plan")), answer())
        conversation.ask(TWO_STEPS, steps=3)
    firm.ask(SIGNED)
    sql.execute("update ragpg.conversations set created_at = now() - interval '9 days'")
    sql.execute(
        f"update ragpg.answers set created_at = now() - interval '8 days' where conversation_id = {old.id}".encode()
    )
    assert rows(sql, "select ragpg.prune_conversations('1 day', 'secrets')") == [(0,)]
    assert rows(sql, "select ragpg.prune_conversations('7 days', 'firm')") == [(1,)]
    assert rows(sql, "select id from ragpg.conversations") == [(new.id,)]
    assert new.delete() and not new.delete()
    counts = ("conversations", "answer_steps", "citations", "answers")
    left = [rows(sql, f"select count(*) from ragpg.{name}")[0][0] for name in counts]
    assert left == [0, 0, 1, 1], "the question alone stays"
    with pytest.raises(errors.BadArgument):
        new.ask(SIGNED)


def test_what_is_erased_leaves_conversations_too(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    """What was shown may stand in later queries, and in all turns that follow."""
    conversation = firm.conversation()
    conversation.ask("What does the Pro plan cost?", 1, filter="$.year == 2024")
    claude.enqueue(reworded("Who signed the report?"))
    claude.enqueue(calls(tool_call("read", source="report-2023.md", start=0, end=99)))
    claude.enqueue(answer(text_block("It costs 40 euros.", (0, 1, 2))))
    conversation.ask("Who signed it?", 1, steps=3)  # shown, and not cited
    claude.enqueue(reworded())
    conversation.ask(FOLLOWS, 1)
    erased = firm.versions.erase("report-2023.md")
    assert erased["answers"] == 2
    assert [one.turn for one in conversation.turns()] == [1]
    left = sql.execute(
        "select string_agg(hits::text || query, '') from ragpg.answer_steps"
    ).fetchone()
    assert left is not None and "report-2023.md" not in left[0]
    assert conversation.ask(FOLLOWS, 1).conversation_id == conversation.id
    assert [one.turn for one in conversation.turns()] == [1, 2]


def test_what_is_erased_while_it_looks_is_told_and_not_stored(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    claude.enqueue(calls(tool_call("search", query="report Hartwell")), answer())

    def erase(step: Any) -> None:
        if step.place == 2:
            firm.versions.erase("report-2023.md")

    asked = firm.ask(TWO_STEPS, steps=4, on_step=erase)
    assert asked.generated and asked.id is None
    assert rows(sql, "select count(*) from ragpg.answers") == [(0,)]


def test_feedback_on_a_turn_becomes_a_question_that_stands_alone(
    firm: ragpg.Collection, firm_client: ragpg.Client, sql: psycopg.Connection,
    claude: MessagesServer,
) -> None:  # fmt: skip
    conversation = firm.conversation()
    conversation.ask("What does the Pro plan cost?")
    claude.enqueue(reworded())
    second = conversation.ask(FOLLOWS)
    assert second.id is not None
    firm_client.feedback(second.id, "good")
    assert firm.evaluation.from_feedback() == 1
    assert rows(sql, "select question, expected_answer from ragpg.evaluation_questions") == [
        (ALONE, second.text)
    ]
    examples = rows(sql, "select distinct question from ragpg.finetuning_examples")
    assert examples == [(ALONE,)]
    assert [one.rating for one in conversation.turns()] == [None, "good"]
    assert rows(
        sql, "select turns, good, bad, first_question from ragpg.conversation_overview"
    ) == [(2, 1, 0, "What does the Pro plan cost?")]


def test_what_a_conversation_cost_is_told(firm: ragpg.Collection, sql: psycopg.Connection) -> None:
    sql.execute("insert into ragpg.model_prices values ('claude-sonnet-5-5', 3, 15, 0.3, 3.75)")
    conversation = firm.conversation()
    for question in (SIGNED, TWO_STEPS):
        conversation.ask(question)
    costs = [one.cost for one in conversation.turns()]
    assert all(cost is not None and cost > 0 for cost in costs)
    ((turns, cost),) = rows(sql, "select turns, cost from ragpg.conversation_overview")
    assert turns == 2 and cost == sum(one for one in costs if one is not None)


def test_a_past_turn_is_told_without_what_was_pruned(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer
) -> None:
    conversation = firm.conversation()
    conversation.ask(SIGNED, 4)
    for source in ("report-2023.md", "notice.md"):  # the first is cited, and stays
        firm.add(text="Something else is written here.", source=source)
    assert firm.versions.prune(timedelta(0)) == 1
    claude.enqueue(reworded())
    assert conversation.ask(FOLLOWS, 1).grounded
    first = claude.requests[-1].body["messages"][0]["content"]
    sources = [block["source"] for block in first if block["type"] == "search_result"]
    assert "notice.md" not in sources and "report-2023.md" in sources
    assert "collection secrets" not in json.dumps(claude.requests[-1].body)


def test_what_is_erased_once_the_turns_before_are_read_takes_the_turn_that_read_them(
    firm: ragpg.Collection, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = firm.conversation()
    conversation.ask(SIGNED, 1)
    read = asking._turns_before

    def erased_then(*given: Any) -> list[PastTurn]:
        turns = read(*given)
        assert turns and "Hartwell" in turns[0].answer
        sql.execute("select ragpg.erase_document('firm', 'report-2023.md')")
        return turns

    monkeypatch.setattr(asking, "_turns_before", erased_then)
    assert conversation.ask("What does the Pro plan cost?", 1).id is None
    assert rows(sql, "select count(*) from ragpg.answers") == [(0,)]
