"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import ragpg

from ..conftest import WordEmbedder
from .tenants import MARKER, _fill, _login, put_texts


@pytest.fixture
def shared(
    client: ragpg.Client, sql: psycopg.Connection, words: WordEmbedder
) -> psycopg.Connection:
    """A collection of two tenants, A and one whose every text holds the marker; tenants are on."""
    texts = {"a": "Refund of money within days.", MARKER: f"{MARKER} refund money rate limit."}
    for tenant, text in texts.items():
        put_texts(sql, client, tenant, text)
    sql.execute("update ragpg.collections set search_log_share = 1")
    sql.execute("select ragpg.enable_tenants()")
    for tenant, text in texts.items():
        _fill(sql, tenant, text, words)
    sql.execute("reset ragpg.tenant")
    sql.execute("analyze")
    return sql


@pytest.fixture
def reader(shared: psycopg.Connection, server: str) -> Iterator[psycopg.Connection]:
    """A connection of a reader that is bound to tenant A."""
    yield from _login(shared, server, "tenant_reader_a", "a")
