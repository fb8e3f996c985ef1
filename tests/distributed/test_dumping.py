"""A dump of the coordinator holds the chunks, and one server takes it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
import pytest

import ragpg
from ragpg.database import embedded

from ..conftest import WordEmbedder, role
from .corpus import fill, found
from .tenants import NAME, as_tenant, begin, spread, url

__all__ = ["spread", "url"]


def _restore(distributed: str, empty_url: str, folder: Path) -> None:
    """Dumps the coordinator's database, and restores it on one server."""
    dumped = folder / "dump"
    with dumped.open("wb") as out:
        command = [
            embedded.bin_folder() / "pg_dump",
            "-Fc",
            "--exclude-extension=citus*",  # of Postgres 17 and newer
            distributed,
        ]
        subprocess.run([str(part) for part in command], stdout=out, check=True, env=os.environ)
    restore = [embedded.bin_folder() / "pg_restore", "--exit-on-error", "-d", empty_url, dumped]
    done = subprocess.run(
        [str(part) for part in restore], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("spread", ["document"], indirect=True)
def test_a_dump_of_the_coordinator_is_restored_on_one_server(
    client: ragpg.Client, empty_url: str, words: WordEmbedder, tmp_path: Path
) -> None:
    fill(client, 150)
    _restore(client.database.url, empty_url, tmp_path)
    with ragpg.connect(empty_url, embedder=words) as one_server:
        one_server.database.execute("reset role")
        one_server.database.execute("select ragpg.secure()")
        assert found(one_server) == found(client)
        assert one_server.collection("texts").delete("text-1")
        assert one_server.database.value("select count(*) from ragpg.chunks") == 149
        one_server.collection("texts").add(text="Refund of money.", source="new")
        assert one_server.database.column("select problem from ragpg.verify()") == []


@pytest.mark.parametrize("spread", ["tenant", "document"], indirect=True)
def test_tenants_are_kept_apart_where_it_is_restored(
    url: str, spread: str, server: str, empty_url: str, tmp_path: Path
) -> None:
    role(server, NAME)
    with psycopg.connect(url, autocommit=True) as owner:
        begin(url, owner, a=20, b=30)
        if spread == "tenant":
            owner.execute("select ragpg.distribute(6)")
        with as_tenant(url, "a") as client:
            expected = found(client)
        _restore(url, empty_url, tmp_path)
        owner.execute(f"drop owned by {NAME}".encode())
    with as_tenant(empty_url, "a") as client:  # before somebody says where it is
        assert found(client) == expected
        with pytest.raises(ragpg.errors.RagpgError, match="permission denied for table chunks"):
            client.database.value("select count(*) from ragpg.chunks")
    with psycopg.connect(empty_url, autocommit=True) as owner:
        owner.execute("select ragpg.secure()")
        assert owner.execute("select problem, object from ragpg.verify()").fetchall() == []
        with as_tenant(empty_url, "a") as client:
            assert found(client) == expected
            counted = "select count(*) from ragpg.chunks"
            assert client.database.value(counted) == 20
            assert client.database.value(counted + "_1") == 0
            client.collection("texts").add(text="Money is back.", source="text-3")
            assert client.database.value(counted) == 20
        owner.execute(f"drop owned by {NAME}".encode())
