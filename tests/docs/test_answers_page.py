"""docs/answers.md: its commands run as they stand there, a scripted model answering them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import ROOT
from ..servers.messages import MessagesServer, Reply, answer, calls, text_block, tool_call
from .test_readme import run, run_page


def plays(body: Any) -> Reply:
    """A follow-up is worded, what has two parts is looked up again, the rest is answered."""
    if isinstance(body["system"], str):
        last = re.search(r"<last_question>(.*)</last_question>", body["messages"][0]["content"])
        return answer(text_block(f"Of the handbook: {last[1] if last else ''}"))
    said = body["messages"][-1]["content"]
    if said[0]["type"] != "tool_result" and ", and what" in said[-1]["text"]:
        return calls(tool_call("search", query="what each plan costs", k=2))
    return Reply()


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    with MessagesServer() as server:
        server.plays = plays
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


def test_the_page_on_answers(initialised: Path, claude: MessagesServer) -> None:
    told = run_page(initialised, "answers.md")
    assert {request.status for request in claude.requests} == {200}
    assert "7 added" in told and "[1] " in told and "refunds.md, characters" in told
    assert "stored: it was good" in told and "stored: it was bad" in told
    assert "shown: " in told and "2 questions put into feedback" in told
    assert "0 conversations pruned" in told
    first, second = re.findall(r"^ +\d+ \| .* \| +(\d) \| +(\d) \| +\d+ \| *$", told, re.M)
    assert (first, second) == (("2", "2"), ("5", "6"))
    assert re.search(r"2 \| And how long .* \| Of the handbook: And how long ", told)
    assert "what each plan costs" in told
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/answers.md").read_text(), re.DOTALL
    )
    printed = run(initialised, "python", "-c", example)
    assert "2 search what each plan costs" in printed and "Of the handbook: And for" in printed
    conversations = run(
        initialised, "ragpg", "db", "psql", "-qAt", text="select count(*) from ragpg.conversations"
    )
    assert conversations.strip() == "2"
