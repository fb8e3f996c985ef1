"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from ragpg.encoders.encoders import load_encoder
from tests.conftest import new_database

from .small_models import Sql, add_model, minilm_folder


@pytest.fixture(scope="module")
def database(server: str) -> Iterator[Sql]:
    """A database with the encoder's tables and functions, shared by the tests of this file."""
    for url in new_database(server, "template_ragpg"):
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


@pytest.fixture(scope="module")
def minilm(database: Sql) -> int:
    key = add_model(database, "minilm", 384)
    load_encoder(database, key, minilm_folder())
    database.execute("analyze ragpg.encoder_weights")
    return key
