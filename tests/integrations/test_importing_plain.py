"""Any table with a vector in it, its columns guessed or named; killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.integrations.importing_columns import Columns

from ..conftest import ROOT, WordEmbedder
from .test_importing_frameworks import taken

UUID = "0b5a5a5e-0000-4000-8000-000000000001"


def vector(text: str) -> str:
    return json.dumps(WordEmbedder().embed_query(text).tolist())


@pytest.fixture
def tables(sql: psycopg.Connection) -> psycopg.Connection:
    """Supabase's table, and one as somebody made it."""
    sql.execute(
        "create table documents (id bigserial primary key, content text, metadata jsonb, embedding vector(8));"
        'create table "My Facts" ("Uuid" uuid primary key, body text, vec halfvec(8), tier text, price numeric, tags text[],'
        " seen timestamptz, extra jsonb, words tsvector generated always as (to_tsvector('simple', body)) stored)"
    )
    for text in ("A refund.", "The rate limit.", "Login"):
        sql.execute(
            "insert into documents (content, metadata, embedding) values (%s, %s, %s)",
            (text, json.dumps({"words": text.split()}), vector(text)),
        )
    sql.execute(
        'insert into "My Facts" values (%s, %s, %s, %s, %s, %s, %s, %s)',
        (
            UUID,
            "Login\n",
            vector("Login"),
            "pro",
            Decimal("0.10000000000000000001"),
            ["a", "b"],
            "2026-11-28 06:00+00",
            json.dumps({"tier": "of the JSON", "n": 1.5}),
        ),
    )
    return sql


def held(client: ragpg.Client) -> list[tuple[str, str | None, dict[str, Any]]]:
    found = client.collection("taken").documents(texts=True)
    return [(one.source, one.text, one.metadata) for one in found]


def test_a_table_as_supabase_makes_it(
    client: ragpg.Client, tables: psycopg.Connection, words: WordEmbedder
) -> None:
    told = ["id id, text content, vector embedding, metadata metadata"]
    assert taken(client, "pgvector", "documents") == ([(3, 0, 0, 0)], told, [])
    assert words.embedded.count("A refund.") == 1 and "Login" not in words.embedded
    assert held(client) == [
        ("1", "A refund.", {"words": ["A", "refund."]}),
        ("2", "The rate limit.", {"words": ["The", "rate", "limit."]}),
        ("3", "Login", {"words": ["Login"]}),
    ]
    (near,) = client.collection("taken").search("login", k=1, mode="vector")
    assert near.source == "3" and near.similarity == pytest.approx(1, abs=1e-3)
    tables.execute("update documents set metadata = '{}' where id = 2")
    assert taken(client, "pgvector", "documents")[0] == [(0, 1, 2, 0)]


def test_columns_become_metadata(client: ragpg.Client, tables: psycopg.Connection) -> None:
    _, notes, _ = taken(client, "pgvector", "My Facts")
    assert notes == ["id Uuid, text body, vector vec, metadata tier, price, tags, seen, extra"]
    ((source, text, metadata),) = held(client)
    assert (source, text) == (UUID, "Login")
    seen = metadata.pop("seen")
    assert seen.startswith("2026-11-28T") and metadata == {
        "tier": "of the JSON",
        "price": 0.1,
        "tags": ["a", "b"],
        "n": 1.5,
    }
    digits = tables.execute("select metadata ->> 'price' from ragpg.documents").fetchone()
    assert digits == ("0.10000000000000000001",)


def test_a_title_is_searched_and_an_id_is_not(
    client: ragpg.Client, tables: psycopg.Connection
) -> None:
    tables.execute("alter table documents add title text")
    tables.execute("update documents set title = 'Zebra' where id = 2")
    taken(client, "pgvector", "documents")
    pages = client.collection("taken")
    assert [one.title for one in pages.documents()] == ["", "Zebra", ""]
    assert [hit.source for hit in pages.search("zebra", mode="keyword")] == ["2"]
    assert pages.search("3", mode="keyword") == []


def test_columns_that_are_named(client: ragpg.Client, tables: psycopg.Connection) -> None:
    columns = Columns("tier", "body", "vec", ("Uuid", "price"))
    taken(client, "pgvector", "My Facts", columns=columns)
    assert held(client) == [("pro", "Login", {"Uuid": UUID, "price": 0.1})]


def test_a_text_within_json(client: ragpg.Client, sql: psycopg.Connection) -> None:
    """As in the tables of vecs, which have no column for it."""
    sql.execute("create schema vecs")
    sql.execute("create table vecs.docs (id text primary key, vec vector(8), metadata jsonb)")
    sql.execute(
        "insert into vecs.docs values ('a', %s, '{\"t\": \"Login\", \"n\": 1}'), ('b', %s, '{}')",
        (vector("Login"), vector("x")),
    )
    with pytest.raises(errors.BadArgument, match=r"no column of text: .*--text KEY"):
        taken(client, "pgvector", "docs", schema="vecs")
    given = taken(client, "pgvector", "docs", schema="vecs", columns=Columns(text="t"))
    assert given[0] == [(1, 0, 0, 1)] and given[2] == [("b", "its text is null")]
    assert held(client) == [("a", "Login", {"n": 1})]


def test_rows_that_cannot_be_taken_are_told_one_by_one(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    sql.execute("create table mixed (id int, content text, embedding vector, part int)")
    rows = [
        (9, "Zero.", "[0,0,0,0,0,0,0,0]", 9),
        *((n, f"Login {n}", vector(f"Login {n}"), n) for n in range(3)),
        (3, "Two.", "[1,2]", 3),
        (4, "Three.", "[1,2,3]", 4),
        (5, None, vector("x"), 5),
        (6, "No vector.", None, 6),
        (7, " ", vector("x"), 7),
        (None, "No id.", vector("x"), 8),
    ]
    for row in rows:
        sql.execute("insert into mixed values (%s, %s, %s, %s)", row)
    counts, notes, failures = taken(client, "pgvector", "mixed")
    assert counts == [(4, 0, 0, 6)]
    assert "7 of 8, 1 of 2, 1 of 3" in notes[1]
    told = dict(failures)
    assert told["5"] == "its text is null" and told["6"] == "its vector is null"
    assert told["row 10"] == "its id is null" and "no text" in told["7"]
    assert "2 dimensions" in told["3"] and "3 dimensions" in told["4"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("id int primary key, content text", 'no column of type vector or halfvec, but id (int4), '),
        ("id int primary key, content text, a vector(8), b vector(8)", "2 vector columns, a, b: choose one, --vector a"),
        ("name text, content text, embedding vector(8)", "no primary key of one column: .*--id name"),
        ("id int primary key, a text, b text, embedding vector(8)", "is the text, a, b? choose one, --text a"),
        ("id int primary key, embedding vector(8)", "no column of text"),
        ("id int, content text, embedding vector(8)", '"id" does not identify a row of "odd": 2 have \'1\''),
    ],
)  # fmt: skip
def test_what_is_unclear_says_how_to_choose(
    client: ragpg.Client, sql: psycopg.Connection, columns: str, told: str
) -> None:
    sql.execute(f"create table odd ({columns})".encode())
    if columns.startswith("id int,"):
        sql.execute("insert into odd values (1, 'x', null), (1, 'y', null), (2, 'z', null)")
    escaped = told.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")
    with pytest.raises(errors.BadArgument, match=escaped):
        taken(client, "pgvector", "odd")


def test_what_is_not_there(client: ragpg.Client, tables: psycopg.Connection) -> None:
    with pytest.raises(
        errors.BadArgument, match=r'no table "none" in schema "public" in the database'
    ):
        taken(client, "pgvector", "none", schema="public")
    for name, columns in (("x", Columns(vector="x")), ("y", Columns(metadata=("tier", "y")))):
        with pytest.raises(
            errors.BadArgument, match=f'"My Facts" has no column "{name}", but Uuid, '
        ):
            taken(client, "pgvector", "My Facts", columns=columns)
    with pytest.raises(errors.BadArgument, match='no column "z" for the text'):
        taken(client, "pgvector", "My Facts", columns=Columns(text="z", metadata=("tier",)))
    reader = client.database.url.replace("postgres:@", "somebody:@")
    tables.execute(
        "do $$ begin create role somebody login; exception when duplicate_object then end $$"
    )
    with pytest.raises(errors.DatabaseError, match="permission denied for table documents"):
        taken(client, "pgvector", "documents", database_url=reader)


def test_of_two_vectors_the_other_is_no_metadata(
    client: ragpg.Client, tables: psycopg.Connection
) -> None:
    tables.execute(
        "alter table documents add other vector(3), add \"when\" date default '2026-11-28'"
    )
    _, notes, _ = taken(client, "pgvector", "documents", columns=Columns(vector="embedding"))
    assert notes == ["id id, text content, vector embedding, metadata metadata, when"]
    assert held(client)[2] == ("3", "Login", {"words": ["Login"], "when": "2026-11-28"})


def test_a_view_of_two_tables(client: ragpg.Client, tables: psycopg.Connection) -> None:
    """Texts in one table, vectors in another: a view is a table to us."""
    tables.execute(
        "create table texts as select id, content from documents;"
        "create view both_of_them as select * from texts join (select id, embedding from documents) as held using (id)"
    )
    assert taken(client, "pgvector", "both_of_them")[0] == [(3, 0, 0, 0)]


def test_an_empty_table(client: ragpg.Client, tables: psycopg.Connection) -> None:
    tables.execute("truncate documents")
    assert taken(client, "pgvector", "documents")[0] == []


# The command --------------------------------------------------------------------------------


def command(url: str, *arguments: str) -> dict[str, Any]:
    return {
        "args": [sys.executable, "-m", "ragpg", "import", *arguments],
        "env": {
            **os.environ,
            "DATABASE_URL": url,
            "PYTHONPATH": str(ROOT),
            "RAGPG_EMBEDDING_MODEL": "given/records@8",
        },
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def test_the_command_tells_what_it_chose(url: str, tables: psycopg.Connection) -> None:
    tables.execute("insert into documents (content) values ('No vector.')")
    arguments = ("pgvector", "documents", "--metadata", "metadata", "--json")
    done = subprocess.run(**command(url, *arguments))
    told = json.loads(done.stdout)
    assert (done.returncode, told["added"], told["failed"]) == (1, 3, 1), done.stderr
    assert told["notes"] == ["id id, text content, vector embedding, metadata metadata"]
    assert told["failures"] == [{"source": "4", "reason": "its vector is null"}]
    assert "failed: 4: its vector is null" in done.stderr
    with ragpg.connect(url) as client:
        assert len(client.collection("documents").documents()) == 3, "named as the table"
    wrong = subprocess.run(**command(url, "pgvector", "documents", "--vector", "content2"))
    assert wrong.returncode == 1 and 'has no column "content2"' in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_killed_in_the_middle_it_goes_on(url: str, sql: psycopg.Connection) -> None:
    """By SIGKILL, after some of the rows are stored and before all are."""
    sql.execute("create table many (id int primary key, content text, embedding vector(8))")
    sql.execute(
        "insert into many select n, 'Text ' || n, array_fill(n::real, array[8])::vector from generate_series(1, 9000) n"
    )
    counted = "select count(*) from ragpg.documents"
    with subprocess.Popen(**command(url, "pgvector", "many")) as running:
        deadline = time.monotonic() + 120
        while not (stored := _count(sql, counted)):
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    _wait_until_gone(sql)
    stored = _count(sql, counted)
    assert 0 < stored < 9000
    again = subprocess.run(**command(url, "pgvector", "many", "--json"))
    told = json.loads(again.stdout)
    assert (told["added"], told["unchanged"], told["failed"]) == (9000 - stored, stored, 0)
    assert sql.execute("select count(*) from ragpg.verify()").fetchone() == (0,)
    third = subprocess.run(**command(url, "pgvector", "many"))
    assert third.stdout == "0 added, 0 updated, 9,000 unchanged, 0 failed\n"


def _count(sql: psycopg.Connection, statement: str) -> int:
    row = sql.execute(statement.encode()).fetchone()
    assert row
    return int(row[0])


def _wait_until_gone(sql: psycopg.Connection) -> None:
    """Until the server has noticed: what it was doing is done or undone then."""
    others = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    deadline = time.monotonic() + 60
    while _count(sql, others):
        assert time.monotonic() < deadline
        time.sleep(0.05)
