"""The functions for a person with only psql: verify, similar chunks, the past, an explanation."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector

import ragpg

from ..conftest import WordEmbedder

PAGES = {
    "refunds": "Refunds take five days. Money goes back to the card.",
    "limits": "The rate limit is one thousand requests. A limit resets each minute.",
    "login": "Login needs a password. Reset the password by mail.",
    "café": "Le café ferme à dix heures 🌙. The uptime is promised.",
}


@pytest.fixture
def handbook(client: ragpg.Client) -> ragpg.Collection:
    collection = client.collection("handbook")
    collection.add(
        records=[
            {"text": text, "source": name, "metadata": {"tier": "pro", "year": 2000 + place}}
            for place, (name, text) in enumerate(PAGES.items())
        ]
    )
    return collection


def rows(sql: psycopg.Connection, query: str, *args: Any) -> list[tuple[Any, ...]]:
    return sql.execute(query.encode(), args or None).fetchall()


def problems(sql: psycopg.Connection) -> set[str]:
    return {problem for (problem,) in rows(sql, "select problem from ragpg.verify()")}


def cite(sql: psycopg.Connection, source: str, length: int) -> None:
    """Stores an answer that quotes the first characters of a document."""
    sql.execute(
        """
        select ragpg.save_answer(
            'handbook', 'q', 'a', 'm', false, true, 'end_turn', 1, 1, 0, 0, 5,
            jsonb_build_array(jsonb_build_object(
                'document_id', document.id, 'document_version', document.version,
                'start_char', 0, 'end_char', %(length)s::integer,
                'quote', left(document.content, %(length)s),
                'answer_start', 0, 'answer_end', 1
            ))
        )
        from ragpg.documents as document
        where document.source = %(source)s
        """,
        {"source": source, "length": length},
    )


def test_help_says_what_there_is(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    found = rows(sql, "select name, kind, call, what from ragpg.help('search')")
    assert found[0][:2] == ("search", "function") and "query text" in found[0][2]
    everything = rows(sql, "select name, kind, call, what from ragpg.help()")
    assert {"function", "view", "table"} == {one[1] for one in everything}
    assert [one for one in everything if not (one[2] and one[3])] == []
    assert rows(sql, "select name from ragpg.help('no such thing')") == []


def test_verify_is_silent_when_all_is_well(
    handbook: ragpg.Collection, sql: psycopg.Connection
) -> None:
    cite(sql, "café", 9)
    handbook.add(text="The café is closed.", source="café")  # the quote's version is an earlier one
    assert rows(sql, "select * from ragpg.verify()") == []
    assert rows(sql, "select * from ragpg.verify('handbook')") == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("update ragpg.chunks set content = upper(content)", "chunk is not its span"),
        ("delete from ragpg.chunks where ordinal = 0", "chunks missing or too many"),
        ("update ragpg.citations set quote = upper(quote)", "quote is not its source"),
        ("update ragpg.citations set document_version = 9", "quote without its source"),
        ("update pg_index set indisvalid = false where indexrelid = %s", "index is invalid"),
        ("drop index ragpg.chunks_1_embedding_hnsw", "vector index is missing"),
        ("update ragpg.index_statistics set chunk_count = 1", "statistics are stale"),
    ],
)
def test_verify_finds(
    handbook: ragpg.Collection, sql: psycopg.Connection, damage: str, problem: str
) -> None:
    cite(sql, "limits", 8)
    sql.execute("alter table ragpg.citations disable trigger user")
    index = "'ragpg.chunks_1_embedding_hnsw'::regclass"
    sql.execute(damage.replace("%s", index).encode())
    assert problem in problems(sql)
    assert None not in [cell for row in rows(sql, "select * from ragpg.verify()") for cell in row]


def test_verify_reads_a_long_document(client: ragpg.Client, sql: psycopg.Connection) -> None:
    """Longer than the blocks it is read in, with characters of several bytes."""
    text = "\n\n".join(f"Part {n}: refunds für Gäste 🐘 and the limit." for n in range(4000))
    client.collection("long").add(text=text, source="long", chunk_tokens=60)
    assert rows(sql, "select * from ragpg.verify('long')") == []
    last = rows(sql, "select max(ordinal) from ragpg.chunks")[0][0]
    assert last > 500
    sql.execute("update ragpg.chunks set content = upper(content) where ordinal = %s", [last])
    assert [row[0] for row in rows(sql, "select problem from ragpg.verify('long')")] == [
        "chunk is not its span"
    ]


def test_similar_chunks_are_the_nearest(
    handbook: ragpg.Collection, sql: psycopg.Connection
) -> None:
    register_vector(sql)
    stored = {
        chunk: embedding.to_numpy().astype(float)
        for chunk, embedding in rows(sql, "select id, embedding from ragpg.chunks")
    }
    for asked, vector in stored.items():
        found = rows(sql, "select chunk_id, similarity from ragpg.similar_chunks(%s, 2)", asked)
        unit = vector / np.linalg.norm(vector)
        cosines = {
            other: float(unit @ v / np.linalg.norm(v))
            for other, v in stored.items()
            if other != asked
        }
        best = sorted(cosines.values(), reverse=True)[:2]
        assert [similarity for _, similarity in found] == pytest.approx(best, abs=1e-3)
        assert asked not in [chunk for chunk, _ in found]
    with pytest.raises(psycopg.Error, match="there is no chunk 999"):
        sql.execute("select * from ragpg.similar_chunks(999)")


def test_the_text_as_it_was(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    ((before,),) = rows(sql, "select clock_timestamp()")
    handbook.add(text="Refunds take ten days.", source="refunds")
    ((between,),) = rows(sql, "select clock_timestamp()")
    handbook.delete("refunds")

    def text(at: Any) -> Any:
        return rows(sql, "select ragpg.document_as_of('handbook', 'refunds', %s)", at)[0][0]

    assert text(before) == PAGES["refunds"]
    assert text(between) == "Refunds take ten days."
    assert text("infinity") is None and text("-infinity") is None


def test_match_documents(
    handbook: ragpg.Collection, sql: psycopg.Connection, words: WordEmbedder
) -> None:
    register_vector(sql)
    vector = words.embed_query("password login")
    call = "select content, similarity from ragpg.match_documents(%s, 1, %s)"
    assert rows(sql, call, vector, "{}")[0][0] == PAGES["login"]
    assert rows(sql, call, vector, '{"tier": "pro", "year": 2000}')[0][0] == PAGES["refunds"]
    assert rows(sql, call, vector, '{"tier": "\\" || true"}') == []
    with pytest.raises(psycopg.Error, match="more than plain values"):
        sql.execute(call, (vector, '{"a": {"b": 1}}'))


def test_explain_search_tells_the_legs(
    handbook: ragpg.Collection, sql: psycopg.Connection, words: WordEmbedder
) -> None:
    register_vector(sql)
    found = rows(
        sql,
        "select source, place, vector_place, keyword_place, words from ragpg.explain_search("
        "'password refunds', query_embedding => %s::vector::halfvec)",
        words.embed_query("password"),
    )
    by_source = {row[0]: row[1:] for row in found}
    assert by_source["login"][1] == 1 and by_source["login"][3] == ["password"]
    assert by_source["refunds"][2] is not None and by_source["refunds"][3] == ["refund"]
    assert by_source["limits"][2:] == (None, None)  # none of the words
    plain = rows(sql, "select vector_place, keyword_place from ragpg.explain_search('password')")
    assert plain[0] == (None, 1)  # no model, no vector leg
