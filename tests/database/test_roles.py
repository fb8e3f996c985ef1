"""What a role is told that lacks a right: one line with its name and what to grant."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import ragpg
from ragpg import errors

from ..conftest import WordEmbedder


@pytest.fixture
def role(sql: psycopg.Connection) -> Iterator[str]:
    sql.execute("create role newcomer login")
    yield "newcomer"
    sql.execute("drop owned by newcomer")
    sql.execute("drop role newcomer")


def test_a_role_without_grants(role: str, url: str, words: WordEmbedder) -> None:
    theirs = url.replace("postgres:@", f"{role}:@")
    with pytest.raises(errors.PermissionDenied, match=r"role newcomer .*ragpg.grant_reader"):
        ragpg.connect(theirs, embedder=words)


def test_a_reader_may_not_write(
    role: str, url: str, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    sql.execute("select ragpg.grant_reader('newcomer')")
    with ragpg.connect(url.replace("postgres:@", f"{role}:@"), embedder=words) as client:
        assert client.collections() == []
        with pytest.raises(errors.PermissionDenied, match=r"ragpg.grant_reader or grant_writer"):
            client.collection("docs").add(text="A refund.", source="a")


def test_a_reader_lists_and_may_not_delete(
    role: str, url: str, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    with ragpg.connect(url, embedder=words) as client:
        client.collection("docs").add(text="A refund.", source="a", metadata={"n": 1})
    sql.execute("select ragpg.grant_reader('newcomer')")
    with ragpg.connect(url.replace("postgres:@", f"{role}:@"), embedder=words) as client:
        docs = client.collection("docs")
        assert [one.source for one in docs.documents(filter={"n": 1})] == ["a"]
        for forbidden in (
            docs.delete_many,
            lambda **which: docs.update_metadata({"n": 2}, **which),
        ):
            with pytest.raises(errors.PermissionDenied):
                forbidden(filter={"n": 1})
    assert sql.execute("select metadata from ragpg.documents").fetchall() == [({"n": 1},)]


def test_a_writer_follows_its_own_table_once_it_may(
    role: str, url: str, sql: psycopg.Connection
) -> None:
    sql.execute("select ragpg.grant_writer('newcomer')")
    sql.execute("create schema mine authorization newcomer")
    follow = "select ragpg.index_table('mine.articles', 'articles', 'id', 'body')"
    with psycopg.connect(url.replace("postgres:@", f"{role}:@"), autocommit=True) as theirs:
        theirs.execute("create table mine.articles (id int primary key, body text)")
        with pytest.raises(psycopg.Error, match="role newcomer may not") as caught:
            theirs.execute(follow)
        hint = caught.value.diag.message_hint or ""
        grant = hint.split("all tenants: ")[1].split(" (docs")[0]
        sql.execute(grant.encode())
        theirs.execute(follow)
        theirs.execute("insert into mine.articles values (1, 'A refund.')")
    assert sql.execute("select source from ragpg.documents").fetchall() == [("1",)]
