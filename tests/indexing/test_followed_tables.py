"""Tables of somebody else that are followed by `ragpg.index_table`: read, and trusted in nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

import ragpg
from ragpg.database.migrations import migrate

from ..conftest import role


@pytest.fixture
def mallory(server: str, url: str, sql: psycopg.Connection) -> str:
    """The URL of a role that owns a schema and a table, and may have it followed."""
    role(server, "mallory")
    sql.execute("select ragpg.grant_writer('mallory')")
    sql.execute("grant execute on function ragpg_internal.index_table_row to mallory")
    sql.execute("create schema app authorization mallory")
    sql.execute("create sequence public.ran_as_owner minvalue 0")
    sql.execute("grant all on sequence public.ran_as_owner to public")
    return url.replace("postgres:@", "mallory:@")


def as_mallory(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


NOTE = """
    begin
        if current_user <> 'mallory' then
            perform nextval('public.ran_as_owner');
        end if;
"""
TABLE = (
    "create table app.articles (id integer primary key, body text)",
    "insert into app.articles values (1, 'hello world')",
)
# What an owner can make that others' statements run.
TRAPS = {
    "a cast to json": (
        "create type app.evil as enum ('x')",
        f"create function app.trap(app.evil) returns json language plpgsql as $${NOTE} return '1'; end $$",
        "create cast (app.evil as json) with function app.trap(app.evil)",
        "alter table app.articles add column trap app.evil default 'x'",
    ),
    "an implicit cast to text": (
        "create type app.evil as (x integer)",
        f"create function app.trap(app.evil) returns text language plpgsql as $${NOTE} return '1'; end $$",
        "create cast (app.evil as text) with function app.trap(app.evil) as implicit",
        "alter table app.articles add column trap app.evil default row(1)",
    ),
    "a cast of a composite's field": (
        "create type app.inner as enum ('x')",
        f"create function app.trap(app.inner) returns json language plpgsql as $${NOTE} return '1'; end $$",
        "create cast (app.inner as json) with function app.trap(app.inner)",
        "create type app.evil as (x app.inner)",
        "alter table app.articles add column trap app.evil[] default array[row('x')::app.evil]",
    ),
    "a domain's check": (
        f"create function app.trap(text) returns boolean language plpgsql as $${NOTE} return true; end $$",
        "create domain app.evil as text check (app.trap(value))",
        "alter table app.articles add column trap app.evil default 'x'",
    ),
    "a comparison": (
        "create type app.evil as enum ('x')",
        f"create function app.trap(app.evil, text) returns boolean language plpgsql as $${NOTE} return true; end $$",
        "create operator app.= (leftarg = app.evil, rightarg = text, function = app.trap)",
        "alter table app.articles add column trap app.evil default 'x'",
    ),
    "an index's expression": (  # which whoever plans a statement on the table runs
        f"create function app.trap(integer) returns integer immutable language plpgsql as $${NOTE} return 1; end $$",
        "create index on app.articles ((app.trap(1)))",
        "alter table app.articles add column trap text default 'x'",
    ),
    "statistics": (
        f"create function app.trap(integer) returns integer immutable language plpgsql as $${NOTE} return 1; end $$",
        "create statistics app.told on (app.trap(1)), id from app.articles",
        "alter table app.articles add column trap text default 'x'",
    ),
    "a policy": (
        f"create function app.trap() returns boolean language plpgsql as $${NOTE} return true; end $$",
        "create policy trap on app.articles using (app.trap())",
        "alter table app.articles enable row level security",
        "alter table app.articles force row level security",
        "alter table app.articles add column trap text default 'x'",
    ),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("trap", TRAPS)
def test_nothing_of_the_tables_owner_runs_as_ragpgs(
    mallory: str, sql: psycopg.Connection, trap: str, when: str
) -> None:
    """The trap is there when the table is indexed, or made later; each column is in its way."""
    as_mallory(mallory, *TABLE)
    if when == "before" and trap != "a policy":  # that would hide rows from its owner: see below
        as_mallory(mallory, *TRAPS[trap])
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="belongs to the role mallory"
        ):
            sql.execute("select ragpg.index_table('app.articles', 'shop', 'id', 'body')")
        as_mallory(
            mallory,
            "select ragpg.index_table('app.articles', 'shop', 'trap', 'body', 'trap', '{id,trap}')",
            "select ragpg.index_table('app.articles', 'more', 'id', 'trap', 'body', '{trap}')",
        )
    else:
        as_mallory(
            mallory,
            "select ragpg.index_table('app.articles', 'shop', 'id', 'body', 'body', '{id}')",
            *TRAPS[trap],
        )
    as_mallory(
        mallory,
        "insert into app.articles values (2, 'second')",
        "update app.articles set body = 'changed' where id = 2",
        "update app.articles set id = 3 where id = 2",
        "delete from app.articles where id = 1",
        "truncate app.articles",
    )
    assert sql.execute("select is_called from public.ran_as_owner").fetchone() == (False,)
    assert sql.execute("select count(*) from ragpg.documents").fetchone() == (0,)


def test_a_policy_that_hides_rows_is_an_error(mallory: str, sql: psycopg.Connection) -> None:
    as_mallory(mallory, *TABLE, *TRAPS["a policy"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        as_mallory(mallory, "select ragpg.index_table('app.articles', 'more', 'id', 'body')")


def test_a_truncated_table_leaves_no_document_and_takes_no_others(
    client: ragpg.Client, mallory: str, sql: psycopg.Connection
) -> None:
    """Its documents are known by what its triggers were given: however it is called, or restored."""
    follow = "select ragpg.index_table('app.articles', 'shop', 'id', 'body')"
    client.collection("shop").add(text="not of the table", source="other")
    as_mallory(
        mallory, *TABLE, follow, follow, "insert into app.articles values (2, 'second')",
        "alter table app.articles rename to renamed",
        "create table app.articles (id integer primary key, body text)",
        "insert into app.articles values (7, 'seventh')", follow, "truncate app.renamed",
    )  # fmt: skip
    sources = "select array_agg(source order by source) from ragpg.documents"
    assert sql.execute(sources).fetchone() == (["7", "other"],)
    as_mallory(mallory, "select ragpg.stop_indexing_table('app.articles', 'shop', true)")
    assert sql.execute(sources).fetchone() == (["other"],)


def test_a_table_followed_since_before_says_what_to_do(
    mallory: str, url: str, sql: psycopg.Connection
) -> None:
    migrate(url, "0002")
    follow = "select ragpg.index_table('app.articles', 'shop', 'id', 'body')"
    as_mallory(mallory, *TABLE)
    sql.execute(follow)  # as a superuser: it was possible
    migrate(url)
    as_mallory(mallory, "insert into app.articles values (2, 'second')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="would keep the rows") as told:
        as_mallory(mallory, "truncate app.articles")
    assert "ragpg.index_table it anew" in str(told.value.diag.message_hint)
    as_mallory(mallory, follow, "truncate app.articles")
    assert sql.execute("select count(*) from ragpg.documents").fetchone() == (0,)


def test_every_type_is_read_as_it_is_shown(client: ragpg.Client, sql: psycopg.Connection) -> None:
    for statement in (
        "create type mood as enum ('sad', 'happy')",
        "create domain short as text check (length(value) < 10)",
        "create domain numbers as integer[]",
        "create type pair as (a integer, b mood)",
        """create table things (id integer primary key, body text, title varchar(20), m mood,
            s short, n numeric, b boolean, j jsonb, a integer[], ms mood[], p pair, d date,
            ns numbers, ss short[], u uuid, missing text, "Odd ""name" text)""",
        """insert into things values (1, 'one two', 'T1', 'happy', 'abc', 1.50, true, '{"x": [1]}',
            '{1,2}', '{sad,NULL,happy}', '(1,)', '2020-01-02', '{3,4}', '{q,w}',
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', null, 'o')""",
        """select ragpg.index_table('things', 'c', 'id', 'body', 'title',
            '{m,s,n,b,j,a,ms,p,d,ns,ss,u,missing,"Odd \\"name"}')""",
    ):
        sql.execute(statement.encode())
    expected: dict[str, Any] = {
        **{"m": "happy", "s": "abc", "n": 1.5, "b": True, "j": {"x": [1]}, "a": [1, 2]},
        **{"ms": ["sad", None, "happy"], "p": "(1,)", "d": "2020-01-02", "ns": [3, 4]},
        **{"ss": ["q", "w"], "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "missing": None},
        'Odd "name': "o",
    }
    (document,) = client.collection("c").documents()
    assert (document.source, document.title, document.metadata) == ("1", "T1", expected)
    sql.execute("update things set m = 'sad' where id = 1")
    (document,) = client.collection("c").documents()
    assert document.metadata == {**expected, "m": "sad"}
    sql.execute("alter table things drop column m")
    sql.execute("update things set b = false")
    (document,) = client.collection("c").documents()
    assert document.metadata == {**expected, "m": None, "b": False}, "a column that is gone is null"
