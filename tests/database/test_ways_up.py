"""A role of less cannot have its own code run with the rights of ragpg's owner."""

from __future__ import annotations

import itertools
import re
from contextlib import suppress

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.database import known_versions, queries, schema_version
from ragpg.database.migrations import migrate

from ..conftest import WordEmbedder, role


def test_no_function_looks_where_others_may_create(sql: psycopg.Connection) -> None:
    """All functions, not only those that run as their owner: the owner calls the others."""
    paths = sql.execute(
        """
        select function.oid::regprocedure::text, coalesce(
            (
                select substr(setting, length('search_path=') + 1)
                from unnest(function.proconfig) as setting
                where setting like 'search_path=%'
            ),
            case when function.prosqlbody is null then 'the caller''s' end
        )
        from pg_proc as function
        where function.pronamespace::regnamespace::text like 'ragpg%' and function.prokind = 'f'
        """
    ).fetchall()
    own = {"ragpg, pg_temp", "ragpg_internal, ragpg, pg_temp", None}  # None: bound when it was made
    # Inlined into ragpg_internal.encode, for speed, so by its path.
    inlined = {"multiply_values", "multiply_weights", "multiply_wide"}
    assert (
        paths
        and [
            (name, path)
            for name, path in paths
            if path not in own
            and not (path == "the caller's" and re.split(r"[.(]", name)[1] in inlined)
        ]
        == []
    )
    creating = sql.execute(
        """
        select nspname
        from pg_namespace
        cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
        where nspname like 'ragpg%' and privilege_type = 'CREATE' and grantee <> nspowner
        """
    ).fetchall()
    assert creating == []


def test_temporary_objects_come_last(sql: psycopg.Connection) -> None:
    """Where pg_temp is not named it comes first, for tables and types."""
    found = sql.execute(
        """
        select function.oid::regprocedure::text
        from pg_proc as function
        where function.pronamespace::regnamespace::text like 'ragpg%'
            and function.prosecdef
            and not exists (
                select
                from unnest(function.proconfig) as setting
                where setting ~ '^search_path=.*, pg_temp$'
            )
        """
    ).fetchall()
    assert found == []


OPERATORS = ("=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "||", "@@", "%", "~", "!~", "->>")
# Schemas that are on somebody's path: a role has one of its name before public.
SCHEMAS = ("public", "extensions", "ragpg_owner")
# Where no function of Postgres has these very types, one that has is called before any that has not.
FUNCTIONS = (
    "unnest(text[])",
    "unnest(bigint[])",
    "pg_advisory_xact_lock(integer)",
    "to_regclass(name)",
    "hashtext(name)",
    "format(text, name)",
    "max(text)",
)
TYPES = ("real", "integer", "bigint", "double precision", "text", "numeric", "smallint", "name")


def _take_names(connection: psycopg.Connection, schema: str) -> None:
    """Makes, as the hijacker, functions and types that tell when somebody else runs them."""
    spied = """
        language plpgsql as $$ begin
            if current_user <> 'hijacker' then perform nextval('public.ran_as_owner'); end if;
            return %s;
        end $$
    """
    connection.execute(f"create schema if not exists {schema}".encode())
    if schema != "public":
        connection.execute(f"grant usage on schema {schema} to public".encode())
    for name in FUNCTIONS:
        made = f"create function {schema}.{name} returns text {spied % 'null'}"
        connection.execute(made.encode())
    connection.execute(f"create function {schema}.seen(text) returns boolean {spied % 'true'}")
    for name in ("halfvec", "vector") if schema != "public" else ():  # there pgvector's own are
        connection.execute(
            f"create domain {schema}.{name} as public.{name}"
            f" check ({schema}.seen(value::text))".encode()
        )


@pytest.fixture
def hijacked(server: str, url: str, sql: psycopg.Connection) -> str:
    """A reader's and writer's URL; both made operators that fit better, wherever they may."""
    role(server, "hijacker")
    name = sql.info.dbname
    sql.execute("select ragpg.grant_writer('hijacker')")
    sql.execute(f"grant create on database {name} to hijacker".encode())
    sql.execute("grant create on schema public to public")
    # A sequence is not rolled back with the statement that fails by what the operator returned.
    sql.execute("create sequence public.ran_as_owner minvalue 0")
    sql.execute("grant all on sequence public.ran_as_owner to public")
    attacker = url.replace("postgres:@", "hijacker:@")
    with psycopg.connect(attacker, autocommit=True) as connection:
        for schema in SCHEMAS:
            _take_names(connection, schema)
        for schema, (left, right) in itertools.product(
            SCHEMAS, itertools.product((*TYPES, "regclass", "oid"), TYPES)
        ):
            connection.execute(
                f"""
                create function {schema}.taken("{left}", "{right}") returns boolean
                language plpgsql as $$ begin
                    if current_user <> 'hijacker' then
                        perform nextval('public.ran_as_owner');
                    end if;
                    return true;
                end $$
                """.replace('"', "").encode()
            )
            for operator in OPERATORS:
                exact = connection.execute(
                    "select 1 from pg_operator where oprnamespace = 'pg_catalog'::regnamespace"
                    " and oprname = %s and oprleft = %s::regtype and oprright = %s::regtype",
                    (operator, left, right),
                ).fetchone()
                # An exact one of Postgres's own comes first; one of bigint || bigint would take
                # 'chunks_' || bigint and fail before it runs.
                if exact is None and not (operator == "||" and left == right):
                    connection.execute(
                        f"create operator {schema}.{operator} (leftarg = {left},"
                        f" rightarg = {right}, function = {schema}.taken)".encode()
                    )
    return attacker


def test_operators_that_fit_better_are_not_run(
    hijacked: str, url: str, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    """Every function that runs as its owner is run by a writer, and by the owner all that is daily."""
    sql.execute("alter role hijacker set search_path = public, extensions")
    for who in (hijacked, url):
        with ragpg.connect(who, embedder=words) as client:
            held = client.collection("help")
            held.add(
                records=[
                    {"text": f"A refund of kind {n} takes {n} days.", "source": f"{n}"}
                    for n in range(30)
                ]
            )
            sql.execute("update ragpg.collections set search_log_share = 1")
            assert held.search("refund of kind 3", 5) and held.search(["refund", "days"], 5)
            assert held.search("refund", 5, filter={"n": 3}) == []
            held.search("refund", 5, distinct=True)
            held.explain("refund")
            held.ask("How long does a refund take?")
            made = held.indexes.create(chunk_tokens=20)
            held.indexes.fill(made.id)
            held.indexes.activate(made.id)
            held.indexes.measure_recall(k=3, queries_asked=5)
            held.indexes.tune_ef_search(k=3, queries_asked=5)
            held.indexes.quantize(made.id, "bit")
            held.indexes.rollback()
            held.indexes.drop(made.id)
            held.delete("1")
            client.health.status()
            client.collections()
            client.drop_collection("help")
    assert sql.execute("select is_called from public.ran_as_owner").fetchone() == (False,)


def test_the_test_of_operators_notices_a_path(
    hijacked: str, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    """The hole opened again: a function that looks in public runs what stands there."""
    sql.execute(
        "alter function ragpg.refresh_search_index(bigint, boolean)"
        " set search_path = ragpg, ragpg_internal, public, pg_temp"
    )
    with ragpg.connect(hijacked, embedder=words) as client, suppress(errors.RagpgError):
        client.collection("help").add(text="A refund takes five days.", source="one")
    assert sql.execute("select is_called from public.ran_as_owner").fetchone() == (True,)


def test_the_test_notices_a_path_of_python(
    hijacked: str, url: str, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hole opened again: ragpg's own connections look where the role that connects does."""
    monkeypatch.setattr(
        queries, "SET_PATH", "select set_config('search_path', '\"$user\", public', %(local)s)"
    )
    with suppress(errors.RagpgError), ragpg.connect(url, embedder=words) as client:
        client.collection("help").add(text="A refund takes five days.", source="one")
        client.collection("help").search("refund")
    with psycopg.connect(url) as sql:
        assert sql.execute("select is_called from public.ran_as_owner").fetchone() == (True,)


def test_migrating_runs_nothing_that_others_made(hijacked: str, url: str) -> None:
    """Steps name pgvector's types alone, so they look where it is; here everybody may make things."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("create sequence kept minvalue 0")
        with pytest.raises(errors.SchemaError, match='by the role "hijacker" where pgvector is'):
            migrate(url, "0002")
        called = "select is_called from public.ran_as_owner"
        assert admin.execute(called).fetchone() == (False,)
        assert schema_version(admin) == known_versions()[-1]
        admin.execute("create schema vectors")
        admin.execute("alter extension vector set schema vectors")
        with pytest.raises(
            errors.SchemaError, match="grant usage on schema vectors to ragpg_owner"
        ):
            migrate(url, "0002")
        admin.execute("select ragpg.secure()")
        for target in ("0002", "0001", "base", "head"):
            migrate(url, target)
        assert admin.execute(called).fetchone() == (False,)


def test_pgvector_may_be_anywhere_and_move(empty_url: str, words: WordEmbedder) -> None:
    with psycopg.connect(empty_url, autocommit=True) as admin:
        admin.execute("create schema vectors")
        admin.execute("create extension vector schema vectors")
        name = admin.info.dbname
        admin.execute(f'alter database {name} set search_path = "$user", public, vectors'.encode())
        migrate(empty_url)
        for schema in ("vectors", "elsewhere"):
            with ragpg.connect(empty_url, embedder=words) as client:
                held = client.collection("help")
                held.add(text=f"A refund takes five days, {schema}.", source=schema)
                assert held.search("refund", 5)
                made = held.indexes.create(chunk_tokens=20)
                held.indexes.fill(made.id)
                held.indexes.activate(made.id)
                assert held.indexes.measure_recall(k=1)["recall"] == 1
            admin.execute("create schema if not exists elsewhere")
            admin.execute("alter extension vector set schema elsewhere")
            admin.execute("select ragpg.secure()")  # who owns ragpg may look there
            admin.execute(f"alter database {name} set search_path = public, elsewhere".encode())
