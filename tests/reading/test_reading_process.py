"""The child process that reads risky formats: whatever befalls it costs one file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from ragpg.errors import LoadError
from ragpg.reading import process
from ragpg.reading.media_types import REST, XLS
from ragpg.reading.process import read_isolated


def text() -> str:
    return read_isolated(b"Some words.", REST).content


def child() -> psutil.Process:
    text()
    return psutil.Process(process.process_id())


def test_the_child_is_started_once_and_reused() -> None:
    assert child().pid == child().pid != os.getpid()


def test_a_child_that_died_is_started_again() -> None:
    process = child()
    process.kill()
    process.wait()
    assert text() == "Some words."
    assert child().pid != process.pid


def test_a_hang_is_ended_and_the_next_file_is_read() -> None:
    process = child()
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(LoadError, match=r"took more than 0.2 seconds"):
        read_isolated(b"words", REST, time_limit=0.2)
    assert text() == "Some words."


def test_a_small_file_has_less_time_and_none_has_more_than_five_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = [process.seconds_for(size) for size in (0, 2**20, 2 * 2**20, 2**28)]
    assert times == [60, 120, 180, 300]
    monkeypatch.setattr(process, "SECONDS_A_MEGABYTE", 0.2)
    child().send_signal(signal.SIGSTOP)
    with pytest.raises(LoadError, match=r"took more than 0.2 seconds"):
        read_isolated(b"words", REST)


def test_a_crash_is_told_and_the_next_file_is_read() -> None:
    process = child()
    process.send_signal(signal.SIGSTOP)
    killer = threading.Timer(0.2, process.kill)
    killer.start()
    with pytest.raises(LoadError, match=r"made its reader crash \(SIGKILL\)"):
        read_isolated(b"words", REST)
    killer.join()
    assert text() == "Some words."


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_the_memory_of_the_child_is_limited() -> None:
    limit, _ = child().rlimit(psutil.RLIMIT_AS)
    assert limit == process.MEMORY_LIMIT


def test_what_a_library_raises_is_a_load_error() -> None:
    with pytest.raises(LoadError, match=r"damaged workbook"):
        read_isolated(b"nothing", XLS)


def test_the_child_works_for_several_threads() -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(text())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["Some words."] * 8


def test_a_script_without_main_guard_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the current folder was run')")
    script = tmp_path / "script" / "add.py"
    script.parent.mkdir()
    script.write_text(
        "from ragpg.reading import load_bytes\n"
        "print(load_bytes(b'Words.', media_type='text/x-rst', name='x').content)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-P", str(script)], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("Words.\n", 0), done.stderr
