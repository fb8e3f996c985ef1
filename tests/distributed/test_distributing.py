"""What makes a database a distributed one, what it refuses, and what stays as it was."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest
from typer.testing import CliRunner

import ragpg
from ragpg.cli import entry
from ragpg.database.distributing import distribute
from ragpg.database.migrations import migrate
from ragpg.errors import BadArgument

from ..conftest import WordEmbedder
from .conftest import Cluster
from .corpus import fill, found


def test_a_filled_database_is_distributed_and_finds_what_it_found(
    undistributed: str, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ragpg.connect(undistributed, embedder=words) as client:
        fill(client, 300)
        before = found(client)
    monkeypatch.setenv("DATABASE_URL", undistributed)
    asked = CliRunner().invoke(entry.app, ["db", "distribute", "--shards", "5"], input="n\n")
    assert asked.exit_code == 1
    assert "300 chunks" in asked.output
    done = CliRunner().invoke(entry.app, ["db", "distribute", "--shards", "5", "--yes"])
    assert done.exit_code == 0, done.output
    assert "300 chunks are spread over 5 shards" in done.output
    with ragpg.connect(undistributed, embedder=words) as client:
        assert found(client) == before
        fill(client, 320)
        assert client.database.column("select problem from ragpg.verify()") == []
    with psycopg.connect(undistributed) as connection:
        held = connection.execute(
            "select result::bigint"
            " from run_command_on_shards('ragpg.chunks_1', 'select count(*) from %s')"
        ).fetchall()
        local = connection.execute("select pg_relation_size('ragpg.chunks_1')").fetchone()
    assert len(held) == 5
    assert all(count > 0 for (count,) in held)
    assert sum(count for (count,) in held) == 320
    assert local == (0,)


def test_without_citus_it_says_so(one_server: ragpg.Client) -> None:
    with pytest.raises(BadArgument, match="extension citus, 13 or newer, is not in this"):
        distribute(one_server.database.url)


def test_without_a_worker_it_says_so(cluster: Cluster, undistributed: str) -> None:
    with psycopg.connect(undistributed, autocommit=True) as connection:
        for worker in cluster.workers:
            for _ in range(10):
                # Citus's own process in the database may be at the same row.
                with suppress(psycopg.errors.InternalError_):
                    connection.execute("select citus_remove_node(%s, %s)", worker)
                    break
    with pytest.raises(BadArgument, match="no worker is known that takes shards"):
        distribute(undistributed)


def test_with_fewer_shards_than_workers_it_says_so(undistributed: str) -> None:
    with pytest.raises(BadArgument, match="shard_count is 1, there are 2 workers"):
        distribute(undistributed, 1)


def test_twice_it_says_so(url: str) -> None:
    with pytest.raises(BadArgument, match="the chunks are distributed already"):
        distribute(url)


def test_a_role_that_does_not_own_ragpg_may_not(undistributed: str) -> None:
    with psycopg.connect(undistributed) as connection:
        connection.execute("create role visitor")
        connection.execute("grant usage on schema ragpg, ragpg_internal to visitor")
        connection.execute("grant execute on function ragpg.distribute to visitor")
        connection.execute("set role visitor")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="does not own the tables"):
            connection.execute("select ragpg.distribute()")
        connection.rollback()


def test_it_does_not_go_back_to_a_version_that_cannot_search_it(url: str) -> None:
    with pytest.raises(BadArgument, match="the chunks are distributed"):
        migrate(url, "0009")


def test_nobody_logs_in_on_the_coordinator_as_the_owner(cluster: Cluster, url: str) -> None:
    """The workers let it in: functions that run as the owner reach them as the owner."""
    allowed = []
    for place in cluster.urls(str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])):
        with psycopg.connect(place) as connection:
            allowed += connection.execute(
                "select rolcanlogin from pg_roles where rolname = 'ragpg_owner'"
            ).fetchall()
    assert allowed == [(False,), (True,), (True,)]
