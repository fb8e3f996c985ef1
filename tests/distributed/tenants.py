"""Fixtures of the tests of tenants, on databases distributed before tenants are on, and after."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import ragpg

from ..conftest import WordEmbedder, role
from ..database.tenants import MARKER, _fill, _login, put_texts
from .conftest import Cluster, new_database
from .corpus import fill

__all__ = ["reader", "server", "shared", "spread", "url", "writer"]

NAME = "tenant_app"
TEXTS = {"a": "Refund of money within days.", MARKER: f"{MARKER} refund money rate limit."}


@pytest.fixture(params=["tenant", "document"])
def spread(request: pytest.FixtureRequest) -> str:
    """By which column the chunks are distributed."""
    return str(request.param)


@pytest.fixture
def url(cluster: Cluster, migrated: str, template: str, spread: str) -> Iterator[str]:
    yield from new_database(cluster, migrated if spread == "tenant" else template)


@pytest.fixture
def server(url: str) -> str:
    """Where roles are made: Citus makes them on the workers, too."""
    return url


@pytest.fixture
def shared(
    client: ragpg.Client, sql: psycopg.Connection, words: WordEmbedder, spread: str
) -> psycopg.Connection:
    """As database/conftest.py has it."""
    for tenant, text in TEXTS.items():
        put_texts(sql, client, tenant, text)
    sql.execute("update ragpg.collections set search_log_share = 1")
    sql.execute("select ragpg.enable_tenants()")
    if spread == "tenant":
        sql.execute("select ragpg.distribute()")
    for tenant, text in TEXTS.items():
        _fill(sql, tenant, text, words)
    sql.execute("reset ragpg.tenant")
    return sql


@pytest.fixture
def reader(shared: psycopg.Connection, server: str) -> Iterator[psycopg.Connection]:
    """A connection of a reader that is bound to tenant A."""
    yield from _login(shared, server, "tenant_reader_a", "a")


@pytest.fixture
def writer(shared: psycopg.Connection, server: str) -> Iterator[psycopg.Connection]:
    """A connection of a writer that is bound to tenant A."""
    yield from _login(shared, server, "tenant_writer_a", "a", "writer")


def as_tenant(url: str, tenant: str) -> ragpg.Client:
    return ragpg.connect(make_conninfo(url, user=NAME), embedder=WordEmbedder(), tenant=tenant)


def begin(url: str, owner: psycopg.Connection, **documents: int) -> None:
    """Keeps tenants apart, each with so many documents of its own."""
    role(url, NAME)
    with ragpg.connect(url, embedder=WordEmbedder()) as client:  # the model is the owner's to add
        client.collection("texts").add(text="Nobody's refund.", source="nobody's")
    owner.execute("select ragpg.enable_tenants()")
    owner.execute(f"select ragpg.grant_writer('{NAME}')".encode())
    owner.execute(f"select ragpg.trust_role('{NAME}')".encode())
    for tenant, count in documents.items():
        with as_tenant(url, tenant) as client:
            fill(client, count)
