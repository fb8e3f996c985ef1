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
    "a leg": f"select count(*) from ragpg_internal.keyword_candidates(1, array['{MARKER}'::tsquery], array[1], 10, 10)",
    "a leg without proof": f"""select count(*) from ragpg_internal.keyword_candidates(
        1, array['{MARKER}'::tsquery], array[1], 10, 10, proof => null)""",
    "a filter": f"""select count(*) from ragpg_internal.matching_documents(
        1, '$.tag starts with "{MARKER}"') where chunks > 0""",
    "a collection": "select ragpg.drop_collection('shared')",
    "a search index": "select count(*) from ragpg.activate_search_index(1)",
}


def _lay_traps(connection: psycopg.Connection) -> None:
    """Makes, as the thief, a function that tries all that, and has others' statements run it."""
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
        "create trigger fired before insert on loot.bait for each row execute function loot.fired()"
    )


@pytest.fixture
def thief(shared: psycopg.Connection, server: str) -> Iterator[psycopg.Connection]:
    """A writer of tenant A with a schema of its own, and a function that tries all that."""
    for connection in _login(shared, server, "tenant_thief", "a", "writer"):
        shared.execute("create schema loot authorization tenant_thief")
        for schema in ("ragpg", "ragpg_internal"):
            shared.execute(f"grant usage on schema {schema} to tenant_thief".encode())
        _lay_traps(connection)
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


def test_a_writer_takes_no_key_that_postgres_gives(shared: psycopg.Connection, server: str) -> None:
    """One taken would not be given to others: their documents could not be stored."""
    for writer in _login(shared, server, "tenant_key_taker", "a", "writer"):
        for table, columns, values in (
            ("documents", "id, collection_id, source, content", "1000, 1, 'x', 'x'"),
            ("collections", "id, name", "1000, 'x'"),
            ("collections", "name, active_index_id", "'x', 1"),
            ("answers", "id, collection_id, question", "1000, 1, 'x'"),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                writer.execute(
                    f"insert into ragpg.{table} ({columns}) overriding system value"
                    f" values ({values})".encode()
                )
        writer.execute("insert into ragpg.collections (name) values ('mine')")


def test_a_text_search_configuration_lasts(shared: psycopg.Connection, server: str) -> None:
    """One that goes with its session would go with the search index, and no dump be restored."""
    shared.execute("insert into ragpg.collections (name) values ('other')")
    make = "select ragpg.create_search_index('other', 1, 60, language => %s)"
    for writer in _login(shared, server, "tenant_linguist", "a", "writer"):
        writer.execute("create text search configuration pg_temp.mine (copy = pg_catalog.simple)")
        with pytest.raises(psycopg.Error, match="is temporary, or the role") as told:
            writer.execute(make, ("pg_temp.mine",))
        assert told.value.sqlstate == "RG005"
        writer.execute(make, ("german",))
    shared.execute("create text search configuration public.ours (copy = pg_catalog.simple)")
    shared.execute(make, ("public.ours",))
