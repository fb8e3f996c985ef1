"""The pages of conversations: turns, folded steps, citations that open their characters."""

from __future__ import annotations

import re
from html import unescape

from starlette.testclient import TestClient

import ragpg
from ragpg.models import make_client

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer, answer, calls, text_block, tool_call
from .pages import EVIL


def test_turns_steps_and_citations_are_shown(
    filled: None, page: TestClient, url: str, words: WordEmbedder
) -> None:
    assert "Nobody talked yet" in page.get("/conversations").text
    with MessagesServer() as claude:
        sdk = make_client(api_key="test", base_url=claude.url)
        with ragpg.connect(url, embedder=words, anthropic_client=sdk) as client:
            conversation = client.collection("pages").conversation()
            claude.enqueue(calls(tool_call("search", query="rate limit"), tool_call(EVIL, 2)))
            claude.enqueue(answer())
            conversation.ask(f"What is the rate limit {EVIL}?", 1, steps=4)
            claude.enqueue(answer(text_block("How long do refunds take?")))
            second = conversation.ask("And refunds?")
            assert second.id is not None
            client.feedback(second.id, "good")
    listed = page.get("/conversations").text
    assert f'href="/conversation/{conversation.id}"' in listed and EVIL not in listed
    shown = page.get(f"/conversation/{conversation.id}").text
    assert EVIL not in shown
    assert shown.count("<details") == 2 and "<details open" not in shown
    assert "search <b>rate limit</b>" in shown and "there is no tool" in unescape(shown)
    assert "searched for, too: How long do refunds take?" in shown and "called good" in shown
    citations = re.search(
        r'<ol class="citations">.*?href="([^"]+)".*?<blockquote>(.*?)<', shown, re.S
    )
    assert citations
    opened = page.get(unescape(citations[1]))
    assert opened.status_code == 200
    marked = "".join(re.findall(r"<mark[^>]*>(.*?)</mark>", opened.text, re.S))
    assert re.sub(r"\W", "", unescape(citations[2])) == re.sub(r"\W", "", unescape(marked))
    assert page.get("/conversation/999").status_code == 404
