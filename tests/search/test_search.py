"""ragpg.search as a person with psql meets it, and as Python calls it."""

from __future__ import annotations

import math

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.database.translation import translate

from ..conftest import WordEmbedder
from .larger import PAGES, rows


def test_psql_finds_by_words_alone(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    found = rows(sql, "select place, source, content from ragpg.search('how long do refunds take')")
    assert found[0] == (1, "refunds", PAGES["refunds"])
    assert [place for place, *_ in found] == list(range(1, len(PAGES) + 1))


def test_python_passes_the_embedding(handbook: ragpg.Collection) -> None:
    hits = handbook.search("passwords", k=2)
    assert hits[0].source == "login"
    # Title and text hold login twice and password twice: cosine 2 / sqrt(8), less other words.
    assert hits[0].similarity == pytest.approx(1 / math.sqrt(2), abs=0.03)
    assert len(hits) == 2


def test_modes_score_as_they_say(handbook: ragpg.Collection, words: WordEmbedder) -> None:
    by_vector = handbook.search("money refund", k=5, mode="vector")
    assert [hit.score for hit in by_vector] == [hit.similarity for hit in by_vector]
    query = words.embed_query("money refund")
    expected = max(float(query @ words.embed_query(f"{k}\n{v}")) for k, v in PAGES.items())
    assert by_vector[0].score == pytest.approx(expected, abs=2e-3)  # halfvec
    assert all(hit.bm25 is None for hit in by_vector)
    by_word = handbook.search("money refund", k=5, mode="keyword")
    assert [hit.source for hit in by_word] == ["refunds", "sla"], "only chunks with a word match"
    assert all(hit.similarity is None and hit.score == hit.bm25 for hit in by_word)


def test_bm25_is_the_textbooks(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    """Against the formula written out from the lexemes, k1 1.2 and b 0.75."""
    chunks = rows(
        sql,
        """
        select source, array_agg(lexeme), array_agg(cardinality(positions))
        from ragpg.chunks_of_handbook cross join unnest(ts_filter(lexemes, '{d}'))
        group by source
        """,
    )
    documents = {source: dict(zip(words, counts, strict=True)) for source, words, counts in chunks}
    mean = sum(sum(each.values()) for each in documents.values()) / len(documents)

    def bm25(source: str, query: list[str]) -> float:
        words, total = documents[source], 0.0
        for word in query:
            df = sum(word in each for each in documents.values())
            idf = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
            f = words.get(word, 0)
            total += idf * f / (f + 1.2 * (0.25 + 0.75 * sum(words.values()) / mean))
        return total

    found = rows(
        sql, "select source, score from ragpg.search('limits on passwords', mode => 'keyword')"
    )
    assert found
    for source, score in found:
        assert score == pytest.approx(bm25(source, ["limit", "password"]), abs=1e-9)


def test_frequencies_are_exact_up_to_what_a_tsvector_keeps(sql: psycopg.Connection) -> None:
    found = rows(
        sql,
        """
        select n, round(0.6079271018540267 / (1 - ts_rank(
            '{1,1,1,1}', to_tsvector('simple', repeat('word ', n)), 'word')::double precision) - 0.5)
        from generate_series(1, 255) as n
        """,
    )
    assert len(found) == 255 and all(n == frequency for n, frequency in found)


def test_operators_in_a_query_are_words(
    handbook: ragpg.Collection, sql: psycopg.Connection
) -> None:
    for query in ("o'brien & | ! ( ) <-> \\ ' \" :* backslash", "'' \\", "a:b*c & | %s $1 {}"):
        rows(sql, "select * from ragpg.search(%s)", query)
    assert rows(sql, "select source from ragpg.search('backslash')")[0] == ("o'brien",)
    assert handbook.search("null \0 and \ud800 surrogate", mode="keyword") == []


def test_a_query_without_known_words_returns_no_row(
    handbook: ragpg.Collection, sql: psycopg.Connection
) -> None:
    assert rows(sql, "select * from ragpg.search('zzzz')") == []
    assert rows(sql, "select * from ragpg.search('the of and')") == []
    assert len(handbook.search("zzzz", k=3)) == 3, "with an embedding everything has a distance"


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("$.length > 60", {"limits"}),
        ('$.tags[*] == "sla" || $.tags[*] == "login"', {"sla", "login"}),
        ('$.tier == "pro" && $.length < 0', set()),
        ('$.tier starts with "p"', set(PAGES)),
        ("exists($.tags)", set(PAGES)),
        ("exists($.absent)", set()),
    ],
)
def test_filters(
    handbook: ragpg.Collection, sql: psycopg.Connection, filter: str, expected: set[str]
) -> None:
    assert {hit.source for hit in handbook.search("money", k=9, filter=filter)} == expected
    found = rows(sql, "select source from ragpg.search('money', filter => %s::jsonpath)", filter)
    assert {source for (source,) in found} <= expected


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("search('x', collection => 'absent')", errors.UnknownCollection),
        ("search('x', mode => 'magic')", errors.BadArgument),
        ("search('x', mode => 'vector')", errors.BadArgument),
        ("search('x', k => 0)", errors.BadArgument),
        ("search('x', k => null)", errors.BadArgument),
        ("search('  ')", errors.BadArgument),
        ("search(null)", errors.BadArgument),
        ("search('x', filter => '$.tier')", errors.BadFilter),
        ("search('x', query_embedding => '[1,2,3]')", errors.WrongDimensions),
    ],
)
def test_wrong_calls_say_what_is_wrong(
    handbook: ragpg.Collection, sql: psycopg.Connection, call: str, error: type[errors.RagpgError]
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        rows(sql, f"select * from ragpg.{call}")
    assert caught.value.sqlstate == error.sqlstate
    assert caught.value.diag.message_hint, "every error says what to do"
    translated = translate(caught.value)
    assert type(translated) is error and str(caught.value.diag.message_hint) in str(translated)


def test_a_bad_jsonpath_is_refused_with_its_text(handbook: ragpg.Collection) -> None:
    with pytest.raises(errors.RagpgError, match="syntax error"):
        handbook.search("money", filter="$.tier ==")


def test_which_collection(client: ragpg.Client, sql: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error, match="no collection yet") as caught:
        rows(sql, "select * from ragpg.search('x')")
    assert caught.value.sqlstate == "RG001"
    for name in ("one", "two"):
        client.collection(name).add(text="refund", source="a")
    with pytest.raises(psycopg.Error, match="one, two") as caught:
        rows(sql, "select * from ragpg.search('x')")
    assert caught.value.sqlstate == "RG002"


def test_search_writes_nothing(handbook: ragpg.Collection, url: str) -> None:
    with psycopg.connect(url, options="-c default_transaction_read_only=on") as standby:
        assert standby.execute("select count(*) from ragpg.search('refunds')").fetchone() == (5,)


def test_settings_end_with_the_call(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    with sql.transaction():
        before = rows(sql, "select current_setting('hnsw.ef_search', true)")
        rows(sql, "select * from ragpg.search('refunds', k => 200)")
        after = rows(sql, "select coalesce(current_setting('hnsw.ef_search', true), '40')")
    assert after[0][0] == (before[0][0] or "40")
