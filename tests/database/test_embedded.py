"""The embedded server: first start, two starters, settings, stop, another version's data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from ragpg import errors
from ragpg.database import embedded

from ..conftest import ROOT

MB = 2**20


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ragpg", *arguments],
        env={**os.environ, "RAGPG_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_two_processes_start_it_at_once(home: Path) -> None:
    command = [sys.executable, "-m", "ragpg", "status", "--json"]
    children = [
        subprocess.Popen(
            command,
            env={**os.environ, "RAGPG_HOME": str(home)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    told = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], told
    assert {errors for _, errors in told} == {""}
    assert [json.loads(status)["collections"] for status, _ in told] == [[], [], []]
    with psycopg.connect(embedded.start(home)) as connection:
        assert connection.execute("select count(*) from ragpg.collections").fetchone() == (0,)
        shown = {
            name: connection.execute(f"show {name}".encode()).fetchone()
            for name in ("jit", "max_wal_size", "random_page_cost")
        }
    assert shown == {"jit": ("off",), "max_wal_size": ("4GB",), "random_page_cost": ("1.1",)}


def test_start_status_stop_psql(home: Path) -> None:
    status = run(home, "db", "status", "--json")
    assert status.returncode == 3 and json.loads(status.stdout)["running"] is False
    assert run(home, "db", "start").returncode == 0
    status = run(home, "db", "status", "--json")
    assert status.returncode == 0 and json.loads(status.stdout)["running"] is True
    query = run(
        home, "db", "psql", "-Atc", "select extversion from pg_extension where extname = 'vector'"
    )
    assert query.stdout.startswith("0."), query
    assert run(home, "db", "stop").stdout == "stopped\n"
    assert run(home, "db", "stop").stdout == "it was not running\n"
    assert run(home, "status").returncode == 0, "any command starts it again"


def test_it_comes_back_after_a_crash(home: Path) -> None:
    url = embedded.start(home)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table kept as select 1 as one")
    pid = embedded.status(home).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while embedded.status(home).running and time.monotonic() < deadline:
        time.sleep(0.1)
    url = embedded.start(home)
    with psycopg.connect(url) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


def test_data_of_another_version_is_left_alone(home: Path) -> None:
    folder = embedded.data_folder(home)
    folder.mkdir()
    (folder / "PG_VERSION").write_text("14\n")
    told = run(home, "db", "start")
    assert told.returncode == 1
    assert "Postgres 14" in told.stderr and "RAGPG_HOME" in told.stderr
    assert told.stderr.count("\n") == 1, "one line"
    assert [path.name for path in folder.iterdir()] == ["PG_VERSION"]


@pytest.mark.parametrize("megabytes", [256, 4096, 262144])
def test_settings_follow_the_machine(megabytes: int) -> None:
    lines = dict(
        line.split(" = ") for line in embedded.configuration(megabytes * MB, 4).splitlines()
    )
    shared = int(lines["shared_buffers"].removesuffix("MB"))
    assert 128 <= shared <= 2048 and shared <= max(megabytes // 2, 128)
    assert 64 <= int(lines["maintenance_work_mem"].removesuffix("MB")) <= 1024


def test_a_start_that_fails_names_the_log(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    auto = embedded.data_folder(home) / "postgresql.auto.conf"
    auto.write_text("shared_buffers = 'nonsense'\n")
    with pytest.raises(errors.EmbeddedServerError, match="its log is"):
        embedded.start(home)


def test_the_servers_log_says_why(tmp_path: Path) -> None:
    assert embedded.last_words(tmp_path) is None
    (tmp_path / "log").write_text(
        "LOG:  starting\n"
        'PANIC:  could not write to file "pg_wal/x": No space left on device\n'
        "FATAL:  the database system is starting up\n"
    )
    assert "No space left on device" in (embedded.last_words(tmp_path) or "")
    (tmp_path / "log").write_text("FATAL:  data directory has wrong ownership\nLOG:  bye\n")
    assert "wrong ownership" in (embedded.last_words(tmp_path) or "")


def test_a_server_that_ends_while_it_is_looked_at_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between "it runs" and "what is its name" it was killed: no traceback of psutil."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    folder = embedded.data_folder(tmp_path)
    folder.mkdir(parents=True)
    lines = [str(process.pid), str(folder), "1", "5432", str(folder), "", "1 2", "ready"]
    (folder / "postmaster.pid").write_text("\n".join(lines))

    def killed_after_the_look(_: psutil.Process) -> bool:
        process.kill()
        process.wait()
        return True

    monkeypatch.setattr(psutil.Process, "is_running", killed_after_the_look)
    assert not embedded.status(tmp_path).running
    assert process.returncode == -signal.SIGKILL
