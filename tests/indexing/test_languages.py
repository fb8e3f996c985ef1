"""The word leg in every document's own language, and in scripts without spaces between words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragpg

from ..conftest import new_database

Sql = psycopg.Connection[Any]

TEXTS = {
    "en": "The house was built by the river. Its owners were selling the houses and the boats.",
    "de": "Die Häuser wurden am Fluss gebaut. Der Besitzer hat sie nicht an die Nachbarn verkauft.",
    "fr": "Les maisons étaient construites près de la rivière, et les chevaux dans le pré.",
    "zh": "北京大学成立于1898年，是中国第一所国立综合性大学。",
    "ja": "東京大学は日本で最初の大学であり、本郷にあります。",
    "th": "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
    "ko": "서울대학교는 대한민국의 국립대학교이다.",
}


@pytest.fixture
def collection(client: ragpg.Client) -> ragpg.Collection:
    collection = client.collection("many")
    collection.add(
        records=[
            {"text": text, "source": source, "media_type": "text/plain"}
            for source, text in TEXTS.items()
        ],
        language="auto",
    )
    return collection


def stored(sql: Sql) -> list[tuple[str, str]]:
    return sql.execute(
        "select document.source, chunk.language from ragpg.chunks as chunk"
        " join ragpg.documents as document on document.id = chunk.document_id"
    ).fetchall()


def found(collection: ragpg.Collection, query: str) -> list[str]:
    return [hit.source for hit in collection.search(query, mode="keyword")]


@pytest.fixture(scope="module")
def template_sql(server: str) -> Iterator[Sql]:
    """One database for all generated texts."""
    for url in new_database(server, "template_ragpg"):
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


def lexemes(sql: Sql, text: str, language: str = "simple") -> list[str]:
    row = sql.execute(
        "select array_agg(word.lexeme order by word.positions[1])"
        " from unnest(ts_filter(ragpg.text_lexemes(%s, %s), '{d}')) as word",
        (text, language),
    ).fetchone()
    assert row is not None
    return row[0] or []


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("selling a boat", "en"),
        ("Wer verkaufte das Haus?", "de"),  # Haus is Häuser's stem
        ("un cheval ou des chevaux", "fr"),
        ("国立大学", "zh"),
        ("最初の大学", "ja"),
        ("เมืองหลวง", "th"),
        ("국립대학교를", "ko"),
    ],
)
def test_each_language_finds_its_own_words(
    collection: ragpg.Collection, query: str, source: str
) -> None:
    assert found(collection, query)[0] == source


def test_each_document_is_stemmed_by_its_language(collection: ragpg.Collection, sql: Sql) -> None:
    languages = dict(stored(sql))
    assert {key: languages[key] for key in ("en", "de", "fr", "zh")} == {
        "en": "english", "de": "german", "fr": "french", "zh": "simple",
    }  # fmt: skip
    assert sql.execute("select languages from ragpg.index_statistics").fetchone() == (
        ["english", "french", "german", "simple"],
    )


def test_stop_words_of_the_question_are_no_rare_words_of_others(
    collection: ragpg.Collection,
) -> None:
    assert found(collection, "who is the one that was there for the boat?") == ["en"]
    assert found(collection, "und wer hat die Nachbarn") == ["de"]


def test_what_the_metadata_say_comes_first(client: ragpg.Client, sql: Sql) -> None:
    collection = client.collection("said")
    collection.add(
        records=[
            {"text": "Was war das Haus", "source": said, "metadata": {"language": said}}
            for said in ("en-GB", "german", "nonsense")
        ],
        language="auto",
    )
    languages = dict(stored(sql))
    assert languages["en-GB"] == "english" and languages["german"] == "german"
    assert languages["nonsense"] in ("german", "simple")


def test_an_embedded_document_has_its_language_too(client: ragpg.Client, sql: Sql) -> None:
    collection = client.collection("given")
    embedding = client.session.embedder.embed_query("money")
    for text in (TEXTS["de"], TEXTS["en"]):
        collection.add(
            records=[{"text": text, "source": "a", "embedding": embedding}], language="auto"
        )
    assert stored(sql) == [("a", "english")]


def test_scripts_without_spaces_are_counted_by_two_letters(sql: Sql) -> None:
    assert lexemes(sql, "北京大学") == ["北京", "京大", "大学"]
    assert lexemes(sql, "水、火车") == ["水", "火车"]
    assert lexemes(sql, "ภาษา") == ["ภา", "าษ", "ษา"]
    assert lexemes(sql, "ที่นี่") == ["ที่นี่"], "marks stay with their letter"
    assert lexemes(sql, "the iPhone手机 of 2024年", "english") == ["手机", "年", "iphon", "2024"]
    assert lexemes(sql, "") == []


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_other_texts_are_as_postgres_has_them(template_sql: Sql, text: str) -> None:
    text = text.replace("\0", "")
    if any(ord(letter) > 0xE00 for letter in text):
        text = "".join(letter for letter in text if ord(letter) < 0xE00)
    row = template_sql.execute(
        "select ts_filter(ragpg.text_lexemes(%(text)s, 'english'), '{d}')"
        " = to_tsvector('english', ragpg_internal.normal_form(%(text)s))",
        {"text": text},
    ).fetchone()
    assert row == (True,)


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(
        alphabet=st.sampled_from("京大学水のアーที่กาនាကာ가나'\\:,& a9")
        | st.characters(max_codepoint=0x2FFFF, exclude_categories=["Cs"], exclude_characters="\0"),
        max_size=60,
    )
)
def test_every_text_has_lexemes(template_sql: Sql, text: str) -> None:
    words = set(lexemes(template_sql, text))
    for first, second in itertools.pairwise(text):
        if all("\u4e00" <= letter <= "\u9fff" for letter in (first, second)):
            assert first + second in words


def test_questions_in_scripts_without_spaces_are_highlighted(sql: Sql) -> None:
    row = sql.execute(
        "select ragpg.highlight('第一所国立综合性大学 and refunds', '国立大学 refund')"
    ).fetchone()
    assert row == ("第一所**国立**综合性**大学** and **refunds**",)


def test_a_language_that_is_none_is_refused(client: ragpg.Client) -> None:
    with pytest.raises(ragpg.RagpgError, match="klingon"):
        client.collection("one").add(records=[{"text": "a", "source": "a"}], language="klingon")
