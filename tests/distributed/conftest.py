"""Databases whose chunks are spread over the workers of a real Citus."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import ragpg
from ragpg.database.migrations import migrate

from ..search.conftest import handbook

__all__ = ["handbook"]

CITUS_URL = os.environ.get("RAGPG_CITUS_URL")  # read before tests take the environment away
REASON = "RAGPG_CITUS_URL names no coordinator of Citus with two workers (CONTRIBUTING.md)"


def repeat(connection: psycopg.Connection, statement: sql.Composed, without: str = "") -> None:
    """Executes it when nobody is in the way: Citus has a process of its own in each database."""
    for tried in range(100):
        connection.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = %s",
            (without,),
        )
        try:
            connection.execute(statement)
        except psycopg.errors.ObjectInUse:
            if tried == 99:
                raise
        else:
            return


class Cluster:
    """The coordinator and the workers; a database is made of one on each."""

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url) as connection:
            self.workers = connection.execute(
                "select nodename, nodeport from pg_dist_node where groupid <> 0 order by nodeid"
            ).fetchall()
            self.coordinator = connection.execute(
                "select nodename, nodeport from pg_dist_node where groupid = 0"
            ).fetchone() or (connection.info.host, connection.info.port)

    def urls(self, database: str) -> list[str]:
        """Returns the URLs of a database, the coordinator's first."""
        own: dict[str, Any] = conninfo_to_dict(self.url) | {"dbname": database}
        places: list[dict[str, Any]] = [{"host": host, "port": port} for host, port in self.workers]
        return [make_conninfo(**own), *(make_conninfo(**own | place) for place in places)]

    def create(self, database: str, template: str = "template1") -> str:
        for url in self.urls("postgres"):
            with psycopg.connect(url, autocommit=True) as connection:
                self._copy(connection, database, template)
        return self.urls(database)[0]

    def _copy(self, connection: psycopg.Connection, database: str, template: str) -> None:
        repeat(
            connection,
            sql.SQL("create database {} template {}").format(
                sql.Identifier(database), sql.Identifier(template)
            ),
            without=template,
        )

    def join(self, database: str) -> str:
        """Makes the databases of that name one of Citus, and returns the coordinator's URL."""
        urls = self.urls(database)
        for url in urls:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create extension if not exists citus")
        with psycopg.connect(urls[0], autocommit=True) as connection:
            connection.execute("select citus_set_coordinator_host(%s, %s)", self.coordinator)
            for worker in self.workers:
                connection.execute("select citus_add_node(%s, %s)", worker)
        return urls[0]

    def drop(self, database: str) -> None:
        for url in self.urls("postgres"):
            with psycopg.connect(url, autocommit=True) as connection:
                repeat(
                    connection,
                    sql.SQL("drop database if exists {} with (force)").format(
                        sql.Identifier(database)
                    ),
                )


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    if not CITUS_URL:
        pytest.skip(REASON)
    return Cluster(CITUS_URL)


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> Iterator[str]:
    """The name of a database of Citus with ragpg's schema, not distributed."""
    name = f"ragpg_migrated_{uuid.uuid4().hex[:8]}"
    cluster.create(name)
    # Roles are all databases' own: two migrations at once may meet on a worker, which says so.
    with psycopg.connect(cluster.url) as turn:
        turn.execute("select pg_advisory_xact_lock(hashtext('ragpg.tests'))")
        migrate(cluster.join(name))
    yield name
    cluster.drop(name)


@pytest.fixture(scope="session")
def template(cluster: Cluster, migrated: str) -> Iterator[str]:
    """The name of a distributed database, to copy."""
    name = f"ragpg_template_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(cluster.create(name, migrated), autocommit=True) as connection:
        assert connection.execute("select ragpg.distribute(6)").fetchone() == (6,)
    yield name
    cluster.drop(name)


@pytest.fixture
def url(cluster: Cluster, template: str) -> Iterator[str]:
    """The URL of a new distributed database."""
    yield from new_database(cluster, template)


@pytest.fixture
def undistributed(cluster: Cluster, migrated: str) -> Iterator[str]:
    """The URL of a new database of Citus that is not distributed."""
    yield from new_database(cluster, migrated)


def new_database(cluster: Cluster, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield cluster.create(name, template)
    cluster.drop(name)


@pytest.fixture
def one_server(server: str) -> Iterator[ragpg.Client]:
    """A client of a new database of the embedded server."""
    from ..conftest import WordEmbedder
    from ..conftest import new_database as new_plain_database

    for plain in new_plain_database(server, "template_ragpg"):
        with ragpg.connect(plain, embedder=WordEmbedder()) as client:
            yield client
