"""The web page over a real database: what it shows, what it refuses, and that it writes nothing."""

from __future__ import annotations

import html
import re
from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

import ragpg
from ragpg.models import make_client
from ragpg.ui import texts
from ragpg.ui.app import make_app

from ..conftest import WordEmbedder
from ..servers.messages import MessagesServer
from .pages import EVIL, LIMITS, REFUNDS


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


def test_a_wrong_filter_keeps_the_form(filled: None, page: TestClient) -> None:
    wrong = page.get("/search", params={"q": "limit on Pro", "filter": "$.tier =="})
    assert wrong.status_code == 400 and "jsonpath" in plain(wrong.text)
    assert 'value="limit on Pro"' in wrong.text and 'value="$.tier =="' in wrong.text


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
    client.collection("a first one").add(text="Without a run.", source="none")
    assert text_of(page, "/evaluation") == text_of(page, "/evaluation?collection=pages")
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
