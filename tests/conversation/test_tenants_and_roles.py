"""Conversations and steps are their tenant's; a writer may have them, a reader may read them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.models import make_client

from ..conftest import WordEmbedder, role
from ..servers.messages import MessagesServer, answer, calls, tool_call


@pytest.fixture
def kept_apart(
    url: str, server: str, words: WordEmbedder, sql: psycopg.Connection
) -> Iterator[str]:
    """The URL, for a role that may write, of a database with the same document for two tenants."""
    with ragpg.connect(url, embedder=words) as owner:
        owner.collection("firm").add(text="The rate limit is 7.", source="common.md")
    sql.execute("select ragpg.enable_tenants('a')")
    role(server, "talk_app")
    sql.execute("select ragpg.grant_writer('talk_app'), ragpg.trust_role('talk_app')")
    as_app = url.replace("postgres:@", "talk_app:@")
    with ragpg.connect(as_app, embedder=words, tenant="b") as other:
        other.collection("firm").add(text="The rate limit of zebrafinch is 9.", source="common.md")
    yield as_app
    sql.execute("drop owned by talk_app")


def test_a_tenant_s_conversation_is_nobody_else_s(
    kept_apart: str, words: WordEmbedder, claude: MessagesServer, sql: psycopg.Connection
) -> None:
    sdk = make_client(api_key="test", base_url=claude.url)

    def connect(tenant: str) -> ragpg.Client:
        return ragpg.connect(kept_apart, embedder=words, tenant=tenant, anthropic_client=sdk)

    with connect("a") as first, connect("b") as second:
        conversation = first.collection("firm").conversation()
        read = tool_call("read", 1, source="common.md", start=0, end=99)
        claude.enqueue(calls(read, tool_call("search", 2, query="zebrafinch", k=20)), answer())
        asked = conversation.ask("What is the rate limit?", steps=4)
        assert asked.id is not None and asked.grounded and "7" in asked.text
        assert "zebrafinch" not in str([hit.content for hit in asked.hits])
        assert "zebrafinch" not in str(claude.requests[-1].body["messages"][-1]["content"][0])
        others = second.collection("firm")
        with pytest.raises(errors.BadArgument, match="there is no conversation"):
            others.conversation(conversation.id)
        with pytest.raises(errors.BadArgument, match="there is no conversation"):
            others.ask("What is the rate limit?", conversation_id=conversation.id)
        assert second.database.value("select ragpg.delete_conversation(1)") is False
        for name in (
            "conversations",
            "answer_steps",
            "conversation_turns",
            "conversation_overview",
        ):
            assert second.database.value(f"select count(*) from ragpg.{name}") == 0, name
            assert first.database.value(f"select count(*) from ragpg.{name}") > 0, name
        tenants = "select distinct tenant from ragpg.answer_steps union select tenant from ragpg.conversations"
        assert sql.execute(tenants.encode()).fetchall() == [("a",)]
        assert conversation.delete()


def test_what_had_no_tenant_before_becomes_one_s(
    firm: ragpg.Collection, sql: psycopg.Connection
) -> None:
    conversation = firm.conversation()
    conversation.ask("What is the rate limit?")
    sql.execute("select ragpg.enable_tenants('first')")
    for name in ("conversations", "answers", "answer_steps"):
        found = sql.execute(f"select distinct tenant from ragpg.{name}".encode()).fetchall()
        assert found == [("first",)], name
    assert sql.execute("select * from ragpg.verify()").fetchall() == []


def test_a_standby_answers_in_steps_without_storing(
    firm: ragpg.Collection, url: str, words: WordEmbedder, claude: MessagesServer
) -> None:
    conversation = firm.conversation()
    conversation.ask("What does the Pro plan cost?")
    sdk = make_client(api_key="test", base_url=claude.url)
    with ragpg.connect(url, embedder=words, anthropic_client=sdk, read_only=True) as client:
        held = client.collection("firm")
        claude.enqueue(calls(tool_call("search", query="Enterprise")), answer())
        asked = held.ask("Which plan costs 900 euros?", steps=3)
        assert asked.id is None and asked.grounded and len(asked.steps) == 2
        assert held.conversation(conversation.id).ask("Who signed the report?").id is None
        with pytest.raises(errors.ReadOnly):
            held.conversation()
    assert len(conversation.turns()) == 1


def test_who_sees_all_tenants_adds_no_turn_to_one_s_conversation(
    kept_apart: str, url: str, words: WordEmbedder
) -> None:
    """It would show that tenant what the others' documents say."""
    with ragpg.connect(kept_apart, embedder=words, tenant="a") as first:
        conversation = first.collection("firm").conversation()
        first.collection("firm").ask("What is the rate limit?")
        with ragpg.connect(url, embedder=words) as owner:
            everything = owner.collection("firm")
            with pytest.raises(errors.BadArgument):
                everything.ask("And of zebrafinch?", conversation_id=conversation.id)
            begun = owner.database.value("select ragpg.continue_conversation('firm')")
            assert begun != conversation.id
        assert "zebrafinch" not in str(conversation.turns())
        followed = first.database.value("select ragpg.continue_conversation('firm')")
        assert followed == first.database.value("select ragpg.continue_conversation('firm')")
