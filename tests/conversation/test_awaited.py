"""The same for asyncio, and the whole of a conversation in sync, streaming and awaited."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import aio

from ..servers.messages import MessagesServer, answer, calls, text_block, tool_call
from .texts import TWO_STEPS, VERIFIED, rows

PRO, ENTERPRISE = "What does the Pro plan cost?", "What does the Enterprise plan cost?"
QUESTIONS = (
    PRO,
    "And the Enterprise one?",
    TWO_STEPS,
    "Who signed that?",
    "What does Quill audit?",
)


def script(claude: MessagesServer) -> None:
    """Five turns: two follow-ups that name what they mean, one question of two steps."""
    claude.enqueue(answer())
    claude.enqueue(answer(text_block(ENTERPRISE)), answer())
    claude.enqueue(answer(text_block(TWO_STEPS)))
    claude.enqueue(calls(tool_call("search", query="audited by Hartwell Partners", k=4)), answer())
    claude.enqueue(answer(text_block("Who signed the report of 2023?")), answer())
    claude.enqueue(answer(text_block("What does Quill audit?")), answer())


def check(sql: psycopg.Connection, turns: Any) -> None:
    assert [one.question for one in turns] == list(QUESTIONS)
    assert [one.steps for one in turns] == [1, 1, 2, 1, 1]
    assert turns[1].standalone == ENTERPRISE and "900 euros" in turns[1].answer
    assert all(one.grounded and one.ended_by == "answer" for one in turns)
    ((count, verified),) = rows(sql, VERIFIED)
    assert count >= 5 and verified


@pytest.mark.parametrize("streams", [True, False])
def test_five_turns(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer, streams: bool
) -> None:
    script(claude)
    conversation = firm.conversation()
    for question in QUESTIONS:
        heard: list[str] = []
        asked = conversation.ask(question, 2, steps=4, on_text=heard.append if streams else None)
        assert "".join(heard) == (asked.text if streams else "")
    assert {request.status for request in claude.requests} == {200}
    check(sql, firm.conversation(conversation.id).turns())


async def test_five_turns_awaited(
    firm: ragpg.Collection, sql: psycopg.Connection, claude: MessagesServer, words: Any, url: str
) -> None:
    script(claude)
    sdk = firm.session.anthropic_client()
    async with aio.connect_async(url, embedder=words, anthropic_client=sdk) as client:
        conversation = await client.collection("firm").conversation()
        for question in QUESTIONS[:4]:
            await conversation.ask(question, 2, steps=4)
        asking = conversation.ask(QUESTIONS[4], 2, steps=4)
        heard = [text async for text in asking]
        assert "".join(heard) == (await asking).text
        again = await client.collection("firm").conversation(conversation.id)
        check(sql, await again.turns())
        assert await again.delete()
