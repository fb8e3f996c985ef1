"""The web page over a real database: what it shows, what it refuses, and that it writes nothing."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest
import uvicorn
from starlette.testclient import TestClient
from typer.testing import CliRunner

import ragpg
from ragpg.cli import app as command_line
from ragpg.cli.ui import _listen
from ragpg.errors import SettingsError
from ragpg.models import make_client
from ragpg.ui import texts
from ragpg.ui.app import make_app

from ..conftest import ROOT, WordEmbedder
from ..messages_server import MessagesServer

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'
REFUNDS = "# Refunds\n\nMoney of a refund is returned within five days.\n"
LIMITS = f"# Limits {EVIL}\n\nThe rate limit is 1,000 requests. {EVIL}\n\n| plan | limit |\n| --- | --- |\n| Pro | 1,000 |\n"


@pytest.fixture
def filled(url: str, words: WordEmbedder) -> None:
    with ragpg.connect(url, embedder=words) as client:
        pages = client.collection("pages")
        pages.add(text=REFUNDS, source="refunds.md", metadata={"tier": "free"})
        pages.add(text=LIMITS, source=f"limits{EVIL}.md", metadata={"tier": "pro", "by": EVIL})


@pytest.fixture
def reading(url: str, words: WordEmbedder) -> Iterator[ragpg.Client]:
    with ragpg.connect(url, embedder=words, read_only=True) as client:
        yield client


@pytest.fixture
def page(reading: ragpg.Client) -> TestClient:
    return TestClient(make_app(reading), base_url="http://127.0.0.1:8642")


def text_of(page: TestClient, address: str, status: int = 200) -> str:
    """The page's text as a browser shows it, in one line."""
    answer = page.get(address)
    assert answer.status_code == status, answer.text
    return plain(answer.text)


def plain(markup: str) -> str:
    body = re.sub(r"<head>.*?</head>|<dialog.*?</dialog>", "", markup, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def links(markup: str, start: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(rf'href="({re.escape(start)}[^"]*)"', markup)]


# Search ----------------------------------------------------------------------------------------


def test_a_search_shows_its_hits(filled: None, page: TestClient) -> None:
    answer = page.get("/search?q=money+of+a+refund&collection=pages&k=2")
    shown = plain(answer.text)
    assert "2 hits" in shown and "meaning #1" in shown and "words #1" in shown
    assert "BM25" in shown and "cosine" in shown
    assert "<mark>Money</mark> of a <mark>refund</mark>" in answer.text
    first = links(answer.text, "/document/")[0]
    assert re.match(r"/document/\d+\?version=1&start=\d+&end=\d+&", first)
    opened = page.get(first)
    assert '<mark id="cited">' in opened.text


def test_the_address_is_the_search(filled: None, page: TestClient) -> None:
    address = '/search?q=limit&collection=pages&mode=keyword&k=7&filter=$.tier == "pro"'
    markup = page.get(address).text
    assert '<option value="keyword" selected>' in markup and 'value="7"' in markup
    assert "$.tier == &#34;pro&#34;" in markup
    assert "refunds.md" not in plain(markup) and "That is all that matches" in plain(markup)
    as_json = page.get("/search", params={"q": "limit", "filter": '{"tier": "free"}'})
    assert "limits" not in plain(as_json.text)
    assert "Search without the filter" in text_of(page, '/search?q=limit&filter=$.tier == "x"')


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("/search?q=x&collection=nope", 404, 'There is no collection "nope"'),
        ("/search?q=x&collection=pages&mode=magic", 400, 'there is no mode "magic"'),
        ("/search?q=x&collection=pages&k=0", 400, "k is 0"),
        ("/search?q=x&collection=pages&k=ten", 400, 'k is "ten"'),
        ("/search?q=x&collection=pages&k=999999999", 400, "1 to 100"),
        ("/search?q=x&collection=pages&filter=$.tier ==", 400, "jsonpath"),
        ("/search?q=x&collection=pages&filter=$.tier", 400, "not a predicate"),
        ("/search?q=x&collection=pages&filter={", 400, "no JSON"),
        ("/document/999", 404, "There is no document 999"),
        ("/document/99999999999999999999999", 404, "There is no document"),
        ("/document/1?version=9", 404, "Version 9 of refunds.md is not kept"),
        ("/document/1?start=4&end=99999", 400, "the text has"),
        ("/document/1?start=-4&end=9", 400, "no number"),
        ("/evaluation/3", 404, "There is no evaluation run 3"),
        ("/evaluation/99999999999999999999", 404, "There is no evaluation run"),
        ("/collection?collection=nope", 404, "no collection"),
        ("/nothing", 404, "Not found"),
    ],
)
def test_what_cannot_be_is_told(
    filled: None, page: TestClient, address: str, status: int, told: str
) -> None:
    assert told.lower() in text_of(page, address, status).lower()


def test_odd_questions_are_answered(filled: None, page: TestClient) -> None:
    for q in ("\0", "\ud800".encode("utf-8", "surrogatepass"), "%", "'; drop table", "🚦" * 300):
        assert page.get("/search", params={"q": q, "collection": "pages"}).status_code == 200


def test_empty_databases_tell_the_next_command(page: TestClient) -> None:
    assert "ragpg add PATH --collection NAME" in text_of(page, "/")
    assert "ragpg add PATH" in text_of(page, "/search")
    assert "ragpg eval load FILE" in text_of(page, "/evaluation")
    assert "Nothing waits" in text_of(page, "/queue")


def test_no_database_is_a_page(filled: None, page: TestClient, reading: ragpg.Client) -> None:
    reading.database.close()
    broken = TestClient(page.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = broken.get("/queue")
    assert answer.status_code in (500, 503) and "Traceback" not in answer.text
    assert "ragpg" in answer.text


# Documents -------------------------------------------------------------------------------------


def test_a_document_opens_at_the_span_in_any_version(
    client: ragpg.Client, page: TestClient
) -> None:
    notes = client.collection("notes")
    notes.add(text="The office opens at nine. Bring a badge.", source="office")
    notes.add(text="Welcome. The office opens at ten. Bring a badge.", source="office")
    (document,) = notes.documents()
    address = f"/document/{document.document_id}"
    newest = page.get(f"{address}?start=9&end=33").text
    assert '<mark id="cited">The office opens at ten.</mark>' in newest
    old = page.get(f"{address}?version=1&start=0&end=25").text
    assert '<mark id="cited">The office opens at nine.</mark>' in old
    assert "no longer in the newest version" in plain(old) and "stale" in old
    still = page.get(f"{address}?version=1&start=26&end=40").text
    assert "The marked words also stand in" in plain(still)
    (link,) = [one for one in links(still, address) if "start=" in one]
    assert '<mark id="cited">Bring a badge.</mark>' in page.get(link).text
    notes.delete("office")
    assert "This document was deleted" in text_of(page, f"{address}?version=1")


def test_long_documents_come_in_parts(client: ragpg.Client, page: TestClient) -> None:
    text = "".join(f"Line {number} of a long story.\n" for number in range(12_000))
    with client.database.connection() as connection:
        connection.execute("select ragpg.put_document('long', 'story', %s)", (text,))
    start = text.index("Line 9000 ")
    markup = page.get(f"/document/1?start={start}&end={start + 9}").text
    assert '<mark id="cited">Line 9000</mark>' in markup and "Part 2 of 2" in plain(markup)
    assert "not indexed yet" in plain(markup)
    assert "Line 0 of" in text_of(page, "/document/1?part=0")
    across = page.get("/document/1?start=199990&end=200020&part=1").text
    assert f'<mark id="cited">{text[200_000:200_020]}</mark>'.replace("\n", "") in across.replace(
        "\n", ""
    )


@pytest.mark.parametrize(
    "text", ["", "\n\n", REFUNDS, LIMITS, "a\r\n```\n# no heading\n```\n# heading\n|x|", "a\u2028b"]
)
def test_blocks_keep_every_character(text: str) -> None:
    for marks in ([], [(0, len(text))], [(1, 3), (5, len(text))]):
        pieces = [piece for block in texts.blocks(text, marks) for piece in block.pieces]
        assert "".join(piece.text for piece in pieces) == text
        marked = "".join(piece.text for piece in pieces if piece.marked)
        assert marked == "".join(text[start:end] for start, end in marks)
        assert sum(piece.first for piece in pieces) == (1 if marked else 0)
    assert texts.word_marks("a b", "\x01a\x02 b") == [(0, 1)]
    assert texts.word_marks("\x01 b", "\x01 \x01b\x02") == []


# What else there is ----------------------------------------------------------------------------


def test_evaluation_runs_are_plots(
    filled: None, client: ragpg.Client, page: TestClient, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        '{"question": "when is money returned", "labels": [{"source": "refunds.md", "quote": "within five days"}]}\n'
        '{"question": "password", "labels": [{"source": "gone.md", "quote": "it is gone"}]}\n'
    )
    pages = client.collection("pages")
    pages.evaluation.load(questions)
    runs = [pages.evaluation.run(k=k, note=f"k {k} <b>") for k in (1, 5)]
    markup = page.get("/evaluation?collection=pages").text
    assert markup.count('class="dot') == 8 and "k 5 &lt;b&gt;" in markup
    shown = text_of(page, f"/evaluation/{runs[0]}")
    assert "not in the corpus" in shown and "when is money returned" in shown
    assert page.get(f"/evaluation/{runs[0]}").text.count('class="bar"') == 20


def test_the_queue_and_a_collection(
    filled: None, page: TestClient, sql: psycopg.Connection
) -> None:
    sql.execute("select ragpg.put_document('pages', 'new.md', 'Passwords are long.')")
    assert "new.md" in text_of(page, "/queue") and "1 waiting" in text_of(page, "/queue")
    sql.execute("select * from ragpg_internal.claim_documents()")
    sql.execute(
        "select ragpg_internal.release_document(index_id, document_id, version, %s) from ragpg.ingest_queue",
        (f"no such thing {EVIL}",),
    )
    assert "failed 1×" in text_of(page, "/queue") and EVIL in text_of_markup(page, "/queue")
    shown = text_of(page, "/collection?collection=pages")
    assert "refunds.md" in shown and "1 waiting" in shown and "1 failed" in shown
    assert "refunds.md" not in text_of(page, "/collection?collection=pages&find=NEW.")
    assert "1 waiting" in text_of(page, "/")
    assert "not indexed" in text_of(page, "/problems?collection=pages")


def text_of_markup(page: TestClient, address: str) -> str:
    return html.unescape(page.get(address).text)


# Asking ----------------------------------------------------------------------------------------


def test_asking_without_a_key_says_so(
    filled: None, page: TestClient, sql: psycopg.Connection
) -> None:
    form = {"q": "when is money of a refund returned", "collection": "pages"}
    shown = plain(page.post("/ask", data=form).text)
    assert "no API key is set" in shown and "ANTHROPIC_API_KEY" in shown and "five days" in shown
    assert sql.execute("select count(*) from ragpg.answers").fetchone() == (0,)


def test_an_answer_links_to_the_characters(
    filled: None, url: str, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    with (
        MessagesServer() as claude,
        ragpg.connect(
            url,
            embedder=words,
            anthropic_client=make_client(api_key="test", base_url=claude.url),
            read_only=True,
        ) as client,
    ):
        page = TestClient(make_app(client), base_url="http://localhost")
        form = {"q": "what is the rate limit", "collection": "pages"}
        assert page.get("/ask", params=form).status_code == 200
        assert claude.requests == [], "a link costs nothing"
        foreign = page.post("/ask", data=form, headers={"Origin": "http://evil.example"})
        cross = page.post("/ask", data=form, headers={"Sec-Fetch-Site": "cross-site"})
        assert (foreign.status_code, cross.status_code, claude.requests) == (403, 403, [])
        markup = page.post("/ask", data=form, headers={"Origin": "http://localhost"}).text
        assert len(claude.requests) == 1
        assert '<sup><a href="#citation-1">1</a></sup>' in markup
        quote = re.search(r"<blockquote>(.*?)</blockquote>", markup, re.DOTALL)
        assert quote is not None
        (link, *_) = [one for one in links(markup, "/document/") if "start=" in one]
        cited = re.search(r'<mark id="cited">(.*?)</mark>', page.get(link).text, re.DOTALL)
        assert cited is not None and html.unescape(cited[1]) in html.unescape(quote[1])
    assert sql.execute("select count(*) from ragpg.answers").fetchone() == (0,)


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
    with pytest.raises(ragpg.RagpgError, match="read-only transaction"):
        reading.collection("pages").ask("when is money returned")


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
