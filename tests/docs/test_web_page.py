"""docs/web.md's application, served as it stands there, under fifty requests at once."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import uvicorn

import ragpg
from docs import web_app

from ..conftest import ROOT
from ..servers.messages import MessagesServer

AT_ONCE = 50
PAGE = (ROOT / "docs" / "web.md").read_text()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    with MessagesServer() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@pytest.fixture
def site(url: str, monkeypatch: pytest.MonkeyPatch, model: MessagesServer) -> Iterator[str]:
    """The address of the application, over a database with the handbook."""
    monkeypatch.setenv("DATABASE_URL", url)
    with ragpg.connect() as client:
        client.collection("handbook").add(ROOT / "ragpg" / "handbook")
    server = uvicorn.Server(uvicorn.Config(web_app.app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    (socket,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def until(is_so: Any) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def get(address: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Returns the status and what came as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_page_shows_the_file_that_is_run() -> None:
    (shown,) = re.findall(r"```python\n(\"\"\"A web.*?)```", PAGE, re.DOTALL)
    assert shown == (ROOT / "docs" / "web_app.py").read_text()


def test_fifty_searches_at_once(site: str, url: str) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(get, [f"{site}/search?q=how+long+do+refunds+take&k=2"] * AT_ONCE))
        with psycopg.connect(url) as connection:
            held = connection.execute(
                "select count(*) from pg_stat_activity "
                "where datname = current_database() and application_name = 'ragpg'"
            ).fetchone()
    assert {status for status, _ in answers} == {200}
    assert {hits[0]["source"].rpartition("/")[2] for _, hits in answers} == {"refunds.md"}
    assert {len(hits) for _, hits in answers} == {2}
    assert held and held[0] <= web_app.SEARCHES + 2


def test_searches_are_answered_while_fifty_answers_wait(site: str, model: MessagesServer) -> None:
    model.answers.clear()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [
            pool.submit(get, f"{site}/ask", {"q": "How long do refunds take?"})
            for _ in range(AT_ONCE)
        ]
        until(lambda: len(model.requests) == AT_ONCE)  # more than anyio's 40 threads
        try:
            status, hits = get(f"{site}/search?q=rate+limit&k=1")
        finally:
            model.answers.set()
        assert (status, len(hits)) == (200, 1) and not any(one.done() for one in asked)
        answers = [one.result() for one in asked]
    assert {status for status, _ in answers} == {200}
    assert all("business days" in answer["citations"][0]["quote"] for _, answer in answers)


def test_errors_have_a_status(site: str, model: MessagesServer) -> None:
    assert get(f"{site}/search?q=x&k=0")[0] == 400
    model.api_key = "another"
    assert get(f"{site}/ask", {"q": "How long do refunds take?"}) == (
        502,
        {"detail": "try again later"},
    )
