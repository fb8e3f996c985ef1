"""Code runs in sessions of others: in triggers, index expressions, functions. For whom does it act?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.database.migrations import migrate

from ..conftest import WordEmbedder, role
from .tenants import MARKER, _login

# What a reader of A would like to read, each by another way, while somebody else's session runs it.
READING = {
    "the tables": "select count(*) from ragpg.documents where tenant <> 'a'",
    "the chunks": "select count(*) from ragpg.chunks where tenant <> 'a'",
    "the bindings": "select count(*) from ragpg.tenant_roles where tenant is distinct from 'a'",
    "a search": f"select count(*) from ragpg.search('{MARKER}', collection => 'shared', mode => 'keyword')",
    "a leg": f"select count(*) from ragpg_internal.keyword_candidates(1, '{MARKER}', 10)",
    "a leg without proof": f"""select count(*) from ragpg_internal.keyword_candidates(
        1, '{MARKER}', 10, proof => null)""",
    "a filter": f"""select count(*) from ragpg_internal.matching_documents(
        1, '$.tag starts with "{MARKER}"') where chunks > 0""",
    "a collection": "select ragpg.drop_collection('shared')",
    "a search index": "select count(*) from ragpg.activate_search_index(1)",
}


@pytest.fixture
def thief(shared: psycopg.Connection, server: str) -> Iterator[psycopg.Connection]:
    """A writer of tenant A with a schema of its own, and a function that tries all that."""
    for connection in _login(shared, server, "tenant_thief", "a", "writer"):
        shared.execute("create schema loot authorization tenant_thief")
        for schema in ("ragpg", "ragpg_internal"):
            shared.execute(f"grant usage on schema {schema} to tenant_thief".encode())
        connection.execute(
            "create table loot.found (way text, count bigint, by_role name, session_role name)"
        )
        attempts = "".join(
            f"""
            begin
                execute $statement${statement}$statement$ into found;
                insert into loot.found values ('{way}', found, current_user, session_user);
            exception when others then
                insert into loot.found values ('{way}', 0, current_user, session_user);
            end;
            """
            for way, statement in READING.items()
        )
        connection.execute(
            f"""
            create function loot.steal() returns integer language plpgsql security definer as $$
            declare found bigint;
            begin
                perform set_config('ragpg.tenant', '{MARKER}', true);
                {attempts}
                perform set_config('ragpg.tenant', '', true);
                {attempts}
                return 1;
            end $$
            """.encode()
        )
        connection.execute(
            "create function loot.pure(integer) returns integer immutable language plpgsql"
            " as $$ begin perform loot.steal(); return 1; end $$"
        )
        connection.execute(
            "create function loot.fired() returns trigger language plpgsql security definer"
            " as $$ begin perform loot.steal(); return new; end $$"
        )
        connection.execute("create table loot.bait (n integer)")
        connection.execute("insert into loot.bait values (1)")
        connection.execute("create index on loot.bait (loot.pure(n))")
        connection.execute(
            "create trigger fired before insert on loot.bait"
            " for each row execute function loot.fired()"
        )
        connection.execute("truncate loot.found")
        yield connection
        connection.execute("drop schema loot cascade")


def test_code_of_a_role_acts_for_that_role_in_whichever_session(
    shared: psycopg.Connection, thief: psycopg.Connection, server: str
) -> None:
    thief.execute("grant usage on schema loot to public")
    thief.execute("grant insert on loot.bait to public")
    shared.execute("analyze loot.bait")  # as autovacuum does
    for victim in _login(shared, server, "tenant_victim_b", MARKER, "writer"):
        victim.execute("insert into loot.bait values (2)")
    ran = "select by_role, session_role from loot.found group by 1, 2 order by 2"
    assert thief.execute(ran).fetchall() == [
        ("tenant_thief", "postgres"), ("tenant_thief", "tenant_victim_b"),
    ]  # fmt: skip
    stolen = thief.execute("select way, session_role from loot.found where count > 0").fetchall()
    assert stolen == []
    assert shared.execute("select name from ragpg.collections").fetchall() == [("shared",)]


def test_the_test_notices_who_asks_the_session(
    shared: psycopg.Connection, thief: psycopg.Connection
) -> None:
    """The hole opened again: the session's role is asked, not the one that runs."""
    shared.execute(
        """
        create or replace function ragpg.current_tenant() returns text
        language sql stable security definer set search_path = ragpg, pg_temp
        as $$
            select nullif(current_setting('ragpg.tenant', true), '')
            where pg_has_role(session_user, 'postgres', 'usage')
        $$
        """
    )
    shared.execute("analyze loot.bait")
    stolen = thief.execute("select distinct way from loot.found where count > 0").fetchall()
    assert {"the tables", "the chunks"} <= {way for (way,) in stolen}


def test_a_superuser_runs_ragpg_as_its_owner(
    url: str, sql: psycopg.Connection, words: WordEmbedder
) -> None:
    """What a member of ragpg_owner replaced does not run as a superuser, nor when migrating."""
    sql.execute("create sequence public.ran_as_superuser minvalue 0")
    sql.execute("grant all on sequence public.ran_as_superuser to public")
    for name, arguments, body in (
        ("ragpg.secure", "", "null"),
        (
            "ragpg_internal.ensure_collection",
            "name text, description text default ''",
            "null::bigint",
        ),
    ):
        sql.execute(
            f"""
            create or replace function {name}({arguments})
            returns {"void" if name == "ragpg.secure" else "bigint"} language plpgsql as $$
            begin
                if (select rolsuper from pg_roles where rolname = current_user) then
                    perform nextval('public.ran_as_superuser');
                end if;
                return{"" if name == "ragpg.secure" else " " + body};
            end $$
            """.encode()
        )
    migrate(url)
    with ragpg.connect(url, embedder=words) as client:
        assert client.database.value("select current_user") == "ragpg_owner"
        with suppress(errors.RagpgError):  # a collection that function did not make
            client.collection("help").add(text="A refund takes five days.", source="one")
    called = sql.execute("select is_called from public.ran_as_superuser").fetchone()
    assert called == (False,)


def test_a_schema_that_somebody_else_made_is_not_taken(server: str, empty_url: str) -> None:
    role(server, "squatter")
    squatter = empty_url.replace("postgres:@", "squatter:@")
    with psycopg.connect(empty_url, autocommit=True) as admin:
        admin.execute(f"grant create on database {admin.info.dbname} to squatter".encode())
        with psycopg.connect(squatter, autocommit=True) as theirs:
            theirs.execute("create schema ragpg")
            theirs.execute("create table ragpg.ran (by_role name)")
            theirs.execute("create table ragpg.alembic_version (version_num varchar(32))")
            theirs.execute(
                "create function ragpg.trap() returns trigger language plpgsql as"
                " $$ begin insert into ragpg.ran values (current_user); return new; end $$"
            )
            theirs.execute(
                "create trigger trap before insert on ragpg.alembic_version"
                " for each row execute function ragpg.trap()"
            )
            theirs.execute("grant all on all tables in schema ragpg to public")
        with pytest.raises(errors.SchemaError, match='the role "squatter" owns'):
            migrate(empty_url)
        assert admin.execute("select * from ragpg.ran").fetchall() == []
        admin.execute("drop schema ragpg cascade")
        migrate(empty_url)


def test_what_others_made_in_ragpg_is_told(sql: psycopg.Connection, server: str) -> None:
    role(server, "squatter")
    sql.execute("grant create, usage on schema ragpg to squatter")
    sql.execute("set role squatter")
    sql.execute("create function ragpg.theirs() returns int language sql as 'select 1'")
    sql.execute("reset role")
    sql.execute("select ragpg.secure()")
    told = sql.execute("select problem, object from ragpg.verify()").fetchall()
    assert ("others may create in ragpg", "squatter") in told
    assert ("object of another role in ragpg", "theirs()") in told
    sql.execute("drop function ragpg.theirs()")
