"""Which schema the client accepts, who may do what, and what it says otherwise."""

from __future__ import annotations

import threading

import psycopg
import pytest

import ragpg
from ragpg import errors, settings
from ragpg.database import known_versions, schema_version
from ragpg.database.migrations import migrate

from ..conftest import WordEmbedder, role


def test_a_missing_schema_says_what_to_run(empty_url: str) -> None:
    with pytest.raises(errors.SchemaError, match="run ragpg init"):
        ragpg.connect(empty_url)


def test_a_newer_schema_is_refused(url: str, sql: psycopg.Connection) -> None:
    sql.execute("update ragpg.alembic_version set version_num = '9999'")
    with pytest.raises(errors.SchemaError, match=r"9999.*pip install -U ragpg"):
        ragpg.connect(url)
    with pytest.raises(errors.SchemaError, match=r"9999.*pip install -U ragpg"):
        migrate(url)


def test_an_older_schema_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = [*known_versions(), "9999"]
    monkeypatch.setattr("ragpg.database.schema.known_versions", lambda: newer)
    with pytest.raises(errors.SchemaError, match="run ragpg migrate"):
        ragpg.connect(url)


def test_migrating_twice_does_nothing(empty_url: str) -> None:
    head = known_versions()[-1]
    assert migrate(empty_url) == (None, head)
    assert migrate(empty_url) == (head, head)


def test_many_install_at_once(empty_url: str) -> None:
    failures: list[BaseException] = []

    def install() -> None:
        try:
            migrate(empty_url)
        except BaseException as error:
            failures.append(error)

    # Alembic keeps its context in a global, so real installs race as processes; threads serialise
    # on the same lock in the database, which is what is tested here with raw connections.
    with psycopg.connect(empty_url) as first:
        first.execute("select pg_advisory_xact_lock(hashtext('ragpg.migrate'))")
        waiting = threading.Thread(target=install)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive(), "the second waits for the first"
        first.rollback()
        waiting.join(30)
    assert failures == []


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(errors.ConnectionFailed, match="cannot be reached"):
        ragpg.connect("postgresql://nobody@127.0.0.1:1/none")


def test_an_owner_without_superuser_migrates_and_works(owner_url: str, words: WordEmbedder) -> None:
    migrate(owner_url)
    with ragpg.connect(owner_url, embedder=words) as client:
        one = client.collection("one")
        assert one.add(text="The rate limit.", source="a").added == 1
        assert one.search("limit")[0].source == "a"
        assert client.drop_collection("one") == 1
    migrate(owner_url, "base")


def test_without_the_extension_an_owner_hears_whom_to_ask(server: str, empty_url: str) -> None:
    role(server, "app_owner")
    with psycopg.connect(empty_url, autocommit=True) as admin:
        admin.execute(f"alter database {admin.info.dbname} owner to app_owner".encode())
    with pytest.raises(errors.SchemaError, match="ask an administrator to run: create extension"):
        migrate(empty_url.replace("postgres:@", "app_owner:@"))
    with psycopg.connect(empty_url) as admin:
        assert schema_version(admin) is None, "nothing is left of the attempt"


def test_a_writer_works_without_ddl_rights(
    server: str, owner_url: str, words: WordEmbedder
) -> None:
    migrate(owner_url)
    writer_url = role(server, "app_writer") and owner_url.replace("app_owner:@", "app_writer:@")
    with psycopg.connect(owner_url) as owner:
        owner.execute("select ragpg.grant_writer('app_writer')")
    with ragpg.connect(writer_url, embedder=words) as client:
        one = client.collection("one")
        assert one.add(text="The rate limit.", source="a").added == 1
        assert one.add(text="The money refund.", source="a").updated == 1
        assert one.search("refund")[0].source == "a"
        assert one.ask("refund").id == 1
        assert one.delete("a")
        with client.database.connection() as connection, pytest.raises(psycopg.Error):
            connection.execute("create table ragpg.mine ()")
        assert client.drop_collection("one") == 0


def test_a_reader_searches_and_looks_and_no_more(
    server: str, owner_url: str, words: WordEmbedder
) -> None:
    migrate(owner_url)
    reader_url = role(server, "app_reader") and owner_url.replace("app_owner:@", "app_reader:@")
    with ragpg.connect(owner_url, embedder=words) as client:
        with psycopg.connect(owner_url) as owner:
            owner.execute("select ragpg.grant_reader('app_reader')")
        client.collection("later").add(text="The rate limit.", source="a")
    with psycopg.connect(reader_url, autocommit=True) as reader:
        told = reader.execute(
            "select count(*), count(col_description(attrelid, attnum)) from pg_attribute"
            " where attrelid = 'ragpg.chunks_of_later'::regclass and attnum > 0"
        ).fetchone()
        assert told == (14, 14), "each column says what it is"
        assert reader.execute("select source from ragpg.search('limit')").fetchall() == [("a",)]
        for view in ("collection_status", "index_health", "ingest_queue", "document_status",
                     "answers_by_day", "chunks_of_later"):  # fmt: skip
            reader.execute(f"select * from ragpg.{view}".encode())
        for statement in (
            "delete from ragpg.documents",
            "select ragpg.put_document('later', 'b', 'x')",
            "select ragpg.drop_collection('later')",
            "select ragpg.refresh_search_index(1)",
            "select ragpg.create_search_index('later', 1, 50)",
            "select ragpg.grant_reader('app_reader')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement.encode())
    with ragpg.connect(reader_url, embedder=words) as client:
        assert client.collection("later").search("limit")[0].source == "a"
        with pytest.raises(errors.PermissionDenied):
            client.collection("later").add(text="x", source="b")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"DATABASE_URL": "postgres://u@h/d"}, "postgresql://u@h/d"),
        ({"DATABASE_URL": "postgresql+psycopg://u@h/d"}, "postgresql://u@h/d"),
        ({"DATABASE_URL": "postgres://a", "RAGPG_DATABASE_URL": "dbname=b"}, "dbname=b"),
        ({"PGHOST": "db"}, ""),
        ({"PGSERVER_POSTGRES_VERSION": "16"}, None),
        ({"DATABASE_URL": ""}, None),
    ],
)
def test_which_database_is_used(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str | None
) -> None:
    for name, content in environment.items():
        monkeypatch.setenv(name, content)
    assert settings.from_environment().database_url == expected


def test_another_database_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u@h/d")
    with pytest.raises(errors.SettingsError, match="mysql"):
        settings.from_environment()
