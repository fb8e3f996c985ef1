"""A dump of the coordinator holds the chunks, and one server takes it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import ragpg
from ragpg.database import embedded

from ..conftest import WordEmbedder
from .corpus import fill, found


def test_a_dump_of_the_coordinator_is_restored_on_one_server(
    client: ragpg.Client, empty_url: str, words: WordEmbedder, tmp_path: Path
) -> None:
    fill(client, 150)
    dumped = tmp_path / "dump"
    with dumped.open("wb") as out:
        command = [
            embedded.bin_folder() / "pg_dump",
            "-Fc",
            "--exclude-extension=citus*",  # of Postgres 17 and newer
            client.database.url,
        ]
        subprocess.run([str(part) for part in command], stdout=out, check=True, env=os.environ)
    restore = [embedded.bin_folder() / "pg_restore", "--exit-on-error", "-d", empty_url, dumped]
    done = subprocess.run(
        [str(part) for part in restore], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with ragpg.connect(empty_url, embedder=words) as one_server:
        one_server.database.execute("reset role")
        one_server.database.execute("select ragpg.secure()")
        assert found(one_server) == found(client)
        assert one_server.collection("texts").delete("text-1")
        assert one_server.database.value("select count(*) from ragpg.chunks") == 149
        one_server.collection("texts").add(text="Refund of money.", source="new")
        assert one_server.database.column("select problem from ragpg.verify()") == []
