"""Words as people write them and ask for them: found by each form, and counted sensibly."""

from __future__ import annotations

import time
from typing import Any, Literal

import psycopg
import pytest

import ragpg
from benchmarks.words import TEXTS, missed

# Neighbours of the benchmark's, unseen while the rules were written.
UNSEEN = {
    "Naïve façade, Ångström and piñata": ("naive facade", "angstrom", "PINATA"),
    "Öffne Grüße.pdf auf \\\\server\\freigabe\\Grüße.pdf": ("grusse.pdf", "freigabe", "gruesse"),
    "kubectl -n kube-system get pods --all-namespaces": ("kube-system", "all namespaces"),
    "Import numpy.linalg.norm from MyHTTPClient2": ("linalg", "linalg.norm", "http client"),
    "RFC 2616, ISO-8601:2019 and IEEE 802.11ax": ("iso 8601", "802.11ax", "rfc2616"),
    "Invoice INV/2024/00017 over 12'500 CHF": ("00017", "INV/2024/00017", "12500"),
    "admin+billing@mail.example.co.uk wrote": ("billing", "example.co.uk", "mail.example.co.uk"),
    "git@github.com:acme/rocket-engine.git": ("rocket-engine", "rocketengine", "acme"),
    "Tiếng Việt có dấu": ("tieng viet", "Tiếng Việt"),
    "Ⅻ. Kapitel ½ Liter": ("XII",),
    "x = foo_bar->baz_qux; FOO_BAR_MAX": ("baz_qux", "foo bar max", "FOO_BAR_MAX"),
    "café\u2011crème at 5\u202f000 ft": ("cafe-creme", "5000"),
}


def vector(sql: psycopg.Connection, text: str, language: str = "english") -> dict[str, Any]:
    """Returns each word of a text with its labels."""
    rows = sql.execute(
        "select lexeme, weights from unnest(ragpg.text_lexemes(%s, %s)) as word", (text, language)
    )
    return dict(rows.fetchall())


def test_words_are_found_however_they_are_written(client: ragpg.Client) -> None:
    assert missed(client.collection("words"), TEXTS) == []


def test_neighbours_are_found(client: ragpg.Client) -> None:
    assert missed(client.collection("words"), UNSEEN) == []


@pytest.mark.parametrize("language", ["german", "french", "simple", "auto"])
def test_under_every_configuration(client: ragpg.Client, language: str) -> None:
    held = client.collection("words")
    texts = [text for text in TEXTS if "Café" in text or "ORA-" in text or "nginx" in text]
    held.add(records=[{"text": text, "source": text[:60]} for text in texts], language=language)
    for text in texts:
        for question in TEXTS[text]:
            found = [hit.source for hit in held.search(question, k=1, mode="keyword")]
            assert found == [text[:60]], question


def test_parts_do_not_count_to_the_length(client: ragpg.Client, sql: psycopg.Connection) -> None:
    client.collection("words").add(
        records=[
            {"text": "See /usr/local/share/doc/nginx/html/index.html now", "source": "path"},
            {"text": "See doc now", "source": "plain"},
        ]
    )
    lengths = sql.execute(
        "select source, lexeme_count from ragpg.chunks join ragpg.documents as document"
        " on document.id = document_id order by source"
    ).fetchall()
    assert lengths == [("path", 3), ("plain", 3)]


def test_what_is_data_has_no_parts(sql: psycopg.Connection) -> None:
    assert set(vector(sql, "key aB1" * 1 + "Cd2" * 100)) == {"key", "ab1" + "cd2" * 100}


def test_words_of_plain_text_are_those_of_postgres(sql: psycopg.Connection) -> None:
    text = "The refunds of our customers take five working days. Don't wait."
    labels = vector(sql, text)
    (expected,) = sql.execute("select tsvector_to_array(to_tsvector('english', %s))", (text,))
    assert {word for word, label in labels.items() if label[0] == "D"} == set(expected[0])
    assert {word for word, label in labels.items() if label[0] == "B"} == {"of our", "don t"}
    assert {word for word, label in labels.items() if label[0] == "C"} == set()


def test_a_question_of_stop_words_asks_for_them_and_no_other_does(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    held = client.collection("words")
    held.add(
        records=[
            {"text": "To be or not to be, says Hamlet.", "source": "hamlet"},
            {"text": "The refund is not to be had by the shop.", "source": "refund"},
            {"text": "Nobody says it.", "source": "none"},
        ]
    )
    assert [h.source for h in held.search("to be or not to be", 2, mode="keyword")] == [
        "hamlet", "refund",
    ]  # fmt: skip
    words = "select array_agg(lexeme) from ragpg_internal.query_words(1, %s)"
    assert sql.execute(words, ("what is the refund",)).fetchone() == (["refund"],)
    assert held.search("the", 3, mode="keyword") == []


def test_highlight_and_explain_show_the_same_words(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    text = "The client/server protocol (HTTPServerError) of infor\u00admation in the Straße, C++!"
    client.collection("words").add(text=text, source="one")
    query = "server information strasse c++"
    (row,) = sql.execute("select ragpg.highlight(%s, %s)", (text, query)).fetchall()
    assert row[0] == (
        "The client/**server** protocol (**HTTPServerError**) of **infor\u00admation** in the"
        " **Straße**, **C**++!"
    )
    (hit,) = client.collection("words").explain(query, mode="keyword")
    assert set(hit.words or []) >= {"server", "inform", "strass", "c++"}
    stop = sql.execute("select ragpg.highlight('To be, or not', 'to be', 'english', '<', '>')")
    assert stop.fetchone() == ("<To> <be>, or not",)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("On **Pro** the pro limit", "On **Pro** the **pro** limit"),
        ("**Pro plan** pro", "**Pro plan** **pro**"),
        ("**The\npro plan**, pro", "**The\npro plan**, **pro**"),
        ("pro**fi** **pro** pro", "**pro****fi** **pro** **pro**"),
        ("2 ** 3 pro ** 4", "2 ** 3 **pro** ** 4"),
        ("**1 pro\n\n** pro", "**1 **pro**\n\n** **pro**"),
        ("*pro* _pro_ ***pro***", "***pro*** _**pro**_ ***pro***"),
        ("nothing **here**", "nothing **here**"),
    ],
)
def test_what_is_bold_already_gets_no_marks_of_the_same_kind(
    sql: psycopg.Connection, text: str, marked: str
) -> None:
    assert sql.execute("select ragpg.highlight(%s, 'pro')", (text,)).fetchone() == (marked,)
    other = sql.execute("select ragpg.highlight(%s, 'pro', 'english', '<b>', '</b>')", (text,))
    bare = other.fetchall()[0][0].replace("<b>", "").replace("</b>", "")
    assert bare == text
    same = sql.execute("select ragpg.highlight(%s, 'pro', 'english', '', '')", (text,))
    assert same.fetchone() == (text,)


@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
def test_a_long_question_is_answered(
    client: ragpg.Client, mode: Literal["keyword", "hybrid"]
) -> None:
    """A page pasted: words that are nowhere take no place of those that are somewhere."""
    held = client.collection("words")
    held.add(
        records=[
            {"text": f"Refunds of kind word{n} take days.", "source": str(n)} for n in range(50)
        ]
    )
    for words in (64, 65, 500, 8000):
        question = " ".join(f"nowhere{n} refund" for n in range(words)) + " word7"
        started = time.monotonic()
        hits = held.search(question, 3, mode=mode)
        assert len(hits) == 3 and hits[0].source == "7"
        assert time.monotonic() - started < 30  # it took minutes, or failed


def test_a_long_question_says_what_is_looked_for(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    client.collection("words").add(text="A refund.", source="one")
    told: list[str] = []
    sql.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    call = "select count(*) from ragpg.search(%s, mode => 'keyword')"
    assert sql.execute(call, (" ".join(f"w{n}" for n in range(63)) + " refund",)).fetchone() == (1,)
    assert told == ["of the question's words the 64 that weigh most are looked for"]
