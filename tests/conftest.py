"""A real Postgres per test run, a fresh database per test, an embedder with checkable vectors."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psycopg
import pytest

import ragpg
from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.models.embedding import Progress, Vectors

os.environ["HF_HUB_OFFLINE"] = "1"  # tests never look for a model on the network
# Two workers with a thread of torch's for each core get in each other's way.
os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


class WordEmbedder:
    """Embeds a text by the words it holds: each of a few words is an axis, checkable by hand.

    Words that are no axis share the last one, so that no text is the zero vector.
    """

    provider = "test"
    name = "words"
    max_tokens = 60
    axes: tuple[str, ...] = ("refund", "money", "rate", "limit", "login", "password", "uptime")
    dimensions = len(axes) + 1

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def token_starts(self, text: str) -> list[int]:
        return [found.start() for found in re.finditer(r"\w+|[^\w\s]", text)]

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        self.embedded += texts
        if progress:
            progress(len(texts))
        return np.array([self.embed_query(text) for text in texts], np.float32).reshape(
            -1, self.dimensions
        )

    def embed_query(self, text: str) -> Vectors:
        vector = np.zeros(self.dimensions, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            stem = word.removesuffix("s")
            vector[self.axes.index(stem) if stem in self.axes else -1] += (
                1.0 if stem in self.axes else 0.1
            )
        vector[-1] += 0.01
        return vector / np.linalg.norm(vector)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person who runs the tests, no key, and no use of their data folder."""
    for name in list(os.environ):
        if name == "PGSERVER_POSTGRES_VERSION":  # which Postgres the tests run on
            continue
        if (
            name.startswith(("PG", "RAGPG_", "ANTHROPIC_", "OPENAI_", "VOYAGE_", "CO_", "COHERE_"))
            or name == "DATABASE_URL"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RAGPG_HOME", str(tmp_path / "home"))


def _server_home() -> Iterator[Path]:
    """A folder for a server: not pytest's, which another run closes to the server's own user.

    In memory where that has room: a thousand databases are made of some 300 files each, 13 ms
    instead of 20 to 380 on a disk.
    """
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30
    home = Path(tempfile.mkdtemp(prefix="ragpg-test-", dir=memory if has_room else None))
    yield home
    embedded.stop(home)
    shutil.rmtree(home)


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty RAGPG_HOME; a server started in it is stopped."""
    yield from _server_home()


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    yield from _server_home()


@pytest.fixture(scope="session")
def server(server_home: Path) -> str:
    """The URL of a server of this test run, with a migrated database to copy."""
    url = embedded.start(server_home)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")
        connection.execute("create database template_ragpg")
    migrate(database_url(url, "template_ragpg"))
    return url


@pytest.fixture
def empty_url(server: str) -> Iterator[str]:
    """The URL of a new database without ragpg's schema."""
    yield from new_database(server, "template1")


@pytest.fixture
def owner_url(server: str, empty_url: str) -> Iterator[str]:
    """A database whose owner is not a superuser, with the extension made by an administrator."""
    role(server, "app_owner")
    with psycopg.connect(empty_url, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute("create extension vector")
        admin.execute(f"alter database {name} owner to app_owner".encode())
    yield empty_url.replace("postgres:@", "app_owner:@")


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """The URL of a new database with the schema at its newest version."""
    yield from new_database(server, "template_ragpg")


@pytest.fixture(scope="session")
def template_with_model(server: str) -> str:
    """The name of a migrated database that holds the default model, as after `ragpg init`."""
    name = "template_with_model"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template template_ragpg".encode())
    with ragpg.connect(database_url(server, name)) as client:
        assert client.models.ensure().loaded
    return name


@pytest.fixture
def initialised(
    server: str, template_with_model: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """An empty RAGPG_HOME, and a database on which `ragpg init` was run, for commands."""
    for url in new_database(server, template_with_model):
        monkeypatch.setenv("DATABASE_URL", url)
        yield home


@pytest.fixture
def words() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def client(url: str, words: WordEmbedder) -> Iterator[ragpg.Client]:
    """A client of a new database with the hand-checkable embedder."""
    with ragpg.connect(url, embedder=words) as client:
        yield client


@pytest.fixture
def sql(url: str) -> Iterator[psycopg.Connection]:
    """A plain connection to the same database, as a person with psql has it."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def new_database(server: str, template: str) -> Iterator[str]:
    """Yields the URL of a copy of a database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
        yield database_url(server, name)
        connection.execute(f"drop database {name} with (force)")


def database_url(url: str, name: str) -> str:
    """Returns the URL of another database of the same server."""
    return url.replace(f"/{embedded.DATABASE}?", f"/{name}?")


def role(server: str, name: str) -> str:
    with psycopg.connect(server, autocommit=True) as admin:
        if not admin.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone():
            admin.execute(f'create role "{name}" login'.encode())
    return server.replace("postgres:@", f"{name}:@")
