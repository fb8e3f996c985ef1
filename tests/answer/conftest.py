"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from ragpg.answer.answering import answer_question
from ragpg.answer.answers import Answer
from ragpg.models import make_client
from ragpg.search.hits import Hit
from tests.servers.messages import MessagesServer

from .answers import HITS, MODEL, Ask, check


@pytest.fixture(scope="module")
def running_server() -> Iterator[MessagesServer]:
    with MessagesServer() as messages:
        yield messages


@pytest.fixture
def messages(running_server: MessagesServer) -> MessagesServer:
    running_server.forget()
    return running_server


@pytest.fixture(scope="module")
def sdk(running_server: MessagesServer) -> Iterator[anthropic.Anthropic]:
    with make_client(api_key="sk-test", base_url=running_server.url, max_retries=1) as sdk:
        yield sdk


@pytest.fixture(params=["create", "stream"])
def ask(request: pytest.FixtureRequest, messages: MessagesServer, sdk: anthropic.Anthropic) -> Ask:
    """Asks both ways; a stream hands over exactly the text of the answer."""

    def asked(question: str = "When do rockets launch?", *hits: Hit, **options: Any) -> Answer:
        texts: list[str] = []
        if request.param == "stream":
            options["on_text"] = texts.append
        hits = hits or HITS
        result = answer_question(question, hits, model=MODEL, client=sdk, **options)
        check(result)
        if request.param == "stream" and result.generated:
            assert "".join(texts) == result.text
            assert len(texts) > 1
        return result

    return asked
