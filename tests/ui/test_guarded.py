"""What the page refuses, and the command that serves it."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest
import uvicorn
from starlette.testclient import TestClient
from typer.testing import CliRunner

import ragpg
from ragpg.cli import app as command_line
from ragpg.cli.ui import _listen
from ragpg.errors import SettingsError
from ragpg.ui.app import make_app

from ..conftest import ROOT
from .pages import EVIL, REFUNDS

# What it refuses -------------------------------------------------------------------------------


class Elements(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_content_is_never_markup(filled: None, page: TestClient) -> None:
    evil_address = {"q": f"limit {EVIL}", "collection": "pages", "k": "3"}
    addresses: list[tuple[str, dict[str, str]]] = [
        ("/", {}),
        ("/search", evil_address),
        ("/search", {**evil_address, "mode": EVIL}),
        ("/search", {**evil_address, "collection": EVIL}),
        ("/search", {**evil_address, "filter": EVIL}),
        ("/ask", evil_address),
        ("/document/2", {**evil_address, "start": "3", "end": "90"}),
        ("/document/2", {"version": EVIL}),
        ("/collection", {"collection": "pages", "find": EVIL}),
        ("/collection", {"collection": "pages", "find": "script"}),
        ("/problems", {"collection": "pages"}),
        ("/evaluation", {"collection": EVIL}),
        (f"/{EVIL}", {}),
    ]
    for address, given in addresses:
        answer = page.get(address, params=given)
        parser = Elements()
        parser.feed(answer.text)
        scripts = [attributes for tag, attributes in parser.found if tag == "script"]
        assert scripts == [{"src": "/static/page.js", "defer": None}], address
        for tag, attributes in parser.found:
            assert tag not in ("img", "iframe", "style", "base"), (address, tag)
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
            assert not (attributes.get("href") or "").lower().startswith(("javascript", "http"))


def test_only_its_own_names_are_served(filled: None, reading: ragpg.Client) -> None:
    page = TestClient(make_app(reading))
    for host, status in {
        "127.0.0.1:8642": 200,
        "localhost": 200,
        "LOCALHOST:1": 200,
        "[::1]:8642": 200,
        "evil.example": 421,
        "evil.example:8642": 421,
        "127.0.0.1.evil.example": 421,
        "localhost@evil.example": 421,
        "[::1": 421,
        "": 421,
    }.items():
        answer = page.get("/", headers={"Host": host})
        assert answer.status_code == status, host
        assert ("pages" in answer.text) == (status == 200)
    told = TestClient(make_app(reading, ["box.example"]), base_url="http://box.example")
    assert told.get("/").status_code == 200
    assert TestClient(make_app(reading, ["*"]), base_url="http://any.example").get("/").is_success


def test_every_answer_has_the_headers(page: TestClient) -> None:
    for address in ("/", "/search?q=x&k=0", "/static/style.css", "/nothing"):
        headers = page.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
    assert page.get("/static/../app.py").status_code == 404
    assert page.get("/static/%2e%2e/app.py").status_code == 404
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        assert page.request(method, "/search").status_code == 405


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in (ROOT / "ragpg" / "ui").rglob("*.*"):
        if path.suffix in (".html", ".css", ".js"):
            assert not re.search(r"https?:|//\w|@import|url\(", path.read_text().replace("// ", ""))


def test_its_connections_cannot_write(filled: None, reading: ragpg.Client) -> None:
    with (
        pytest.raises(ragpg.RagpgError, match="read-only transaction"),
        reading.database.connection() as connection,
    ):
        connection.execute("delete from ragpg.documents")
    assert reading.collection("pages").ask("when is money returned").id is None


# The command, and a browser --------------------------------------------------------------------


def test_a_taken_port_is_told() -> None:
    with _listen("127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {number} .*ragpg ui --port"):
            _listen("127.0.0.1", number)


def test_the_command_explains_itself() -> None:
    told = CliRunner().invoke(command_line, ["ui", "--help"]).output
    assert (
        "--allow-host" in told
        and "127.0.0.1" in told
        and "writes nothing" in " ".join(told.split())
    )


@contextmanager
def served(client: ragpg.Client) -> Iterator[str]:
    """The page on a free port of this machine, as `ragpg ui` serves it."""
    with _listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(make_app(client), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def browse(address: str, *options: str) -> str:
    """What headless Chromium made of an address, its scripts run."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        *options,
    ]
    done = subprocess.run(
        [*command, "--enable-logging=stderr", "--virtual-time-budget=2000", address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == [], "an error of the script, or something the policy refused"
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_a_real_browser(
    filled: None, reading: ragpg.Client, client: ragpg.Client, tmp_path: Path
) -> None:
    client.collection("pages").add(
        text=REFUNDS + "\nThe refund takes days.\n" * 40, source="long.md"
    )
    with served(reading) as address:
        search = browse(f"{address}/search?q=refund&collection=pages", "--dump-dom")
        assert 'data-ready=""' in search, "the script ran"
        assert "Show all" in search, "a long passage is folded"
        assert "<mark>refund</mark>" in search
        document = browse(f"{address}/document/2?start=0&end=40", "--dump-dom")
        assert "onerror=alert(1)&gt;" in document, "content stays text"
        for width, height in ((1280, 800), (420, 800)):
            picture = tmp_path / f"{width}.png"
            browse(
                f"{address}/search?q=refund&collection=pages",
                f"--window-size={width},{height}",
                f"--screenshot={picture}",
            )
            assert picture.stat().st_size > 10_000
