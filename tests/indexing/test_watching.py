"""A watched folder and its collection stay in step: real files, real processes."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.database import embedded
from ragpg.indexing.watching import Change
from ragpg.models.embedding import Progress, Vectors

from ..conftest import ROOT, WordEmbedder
from .adding import write


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


class Watched:
    """A watch in a thread, and what it told."""

    def __init__(self, client: ragpg.Client, *paths: Path, **options: Any) -> None:
        self.changes: list[Change] = []
        self.reports: list[ragpg.AddReport] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=client.collection("pages").watch,
            args=(paths,),
            kwargs={
                "stop": self.stop,
                "on_change": self.changes.append,
                "on_ready": self.reports.append,
                **options,
            },
        )

    def told(self) -> list[tuple[str, str]]:
        return [(one.outcome, Path(one.source).name) for one in self.changes]

    def expect(self, *expected: tuple[str, str]) -> None:
        """Waits for these changes and forgets them."""
        wait_for(lambda: set(expected) <= set(self.told()))
        self.changes.clear()


@contextmanager
def watching(client: ragpg.Client, *paths: Path, **options: Any) -> Iterator[Watched]:
    watched = Watched(client, *paths, **options)
    watched.thread.start()
    try:
        wait_for(lambda: watched.reports)
        yield watched
    finally:
        watched.stop.set()
        watched.thread.join(30)
    assert not watched.thread.is_alive()


def test_changes_are_followed(client: ragpg.Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 3)
    pages = client.collection("pages")
    with watching(client, folder) as watched:
        assert watched.reports[0].added == 3
        (folder / "new.md").write_text("The uptime is fine.")
        watched.expect(("added", "new.md"))
        assert pages.search("uptime", k=1)[0].content == "The uptime is fine."
        (folder / "new.md").write_text("The password is long.")
        watched.expect(("updated", "new.md"))
        (folder / "new.md").rename(folder / "newer.md")
        watched.expect(("added", "newer.md"), ("deleted", "new.md"))
        (folder / "page0.md").unlink()
        watched.expect(("deleted", "page0.md"))
        (folder / "bad.html").write_bytes(b"\x89PNG\r\n\x1a\n")
        watched.expect(("failed", "bad.html"))
        (folder / "bad.html").write_text("<p>The money is back.</p>")
        watched.expect(("added", "bad.html"))
        (tmp_path / "inner").mkdir()
        (tmp_path / "inner" / "deep.md").write_text("The login.")
        (tmp_path / "inner").rename(folder / "inner")
        watched.expect(("added", "deep.md"))
        shutil.rmtree(folder / "inner")
        watched.expect(("deleted", "deep.md"))
        (folder / "a.jsonl").write_text('{"id": 1, "text": "x"}\n{"id": 2, "text": "y"}\n')
        watched.expect(("added", "a.jsonl#1"), ("added", "a.jsonl#2"))
        (folder / "a.jsonl").write_text('{"id": 2, "text": "y"}\n')
        watched.expect(("deleted", "a.jsonl#1"))
        (folder / ".hidden.md").write_text("The login.")
        (folder / "picture.xyz").write_text("The login.")
        (folder / "last.md").write_text("The login.")
        watched.expect(("added", "last.md"))
    names = {Path(one.source).name for one in pages.documents()}
    assert names == {"page1.md", "page2.md", "newer.md", "bad.html", "a.jsonl#2", "last.md"}


def test_a_file_of_its_own(client: ragpg.Client, tmp_path: Path) -> None:
    (given := tmp_path / "a.md").write_text("The rate.")
    with watching(client, given) as watched:
        (tmp_path / "b.md").write_text("The rate.")
        (tmp_path / "a.tmp").write_text("The limit.")
        (tmp_path / "a.tmp").replace(given)  # as editors do
        watched.expect(("updated", "a.md"))
        given.unlink()
        watched.expect(("deleted", "a.md"))
        given.write_text("The refund.")
        watched.expect(("added", "a.md"))
    assert [Path(one.source).name for one in client.collection("pages").documents()] == ["a.md"]


def test_a_folder_that_goes_takes_nothing_along(client: ragpg.Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 20)
    pages = client.collection("pages")
    with watching(client, folder) as watched:
        folder.rename(tmp_path / "away")
        wait_for(lambda: any("cannot be watched" in one.reason for one in watched.changes))
        assert len(pages.documents()) == 20
        (tmp_path / "away" / "page1.md").unlink()
        (tmp_path / "away" / "page2.md").write_text("The uptime.")
        (tmp_path / "away").rename(folder)
        watched.expect(("deleted", "page1.md"), ("updated", "page2.md"))
        for n in range(3, 18):
            (folder / f"page{n}.md").unlink()
        wait_for(lambda: any("15 of 19 documents" in one.reason for one in watched.changes))
        assert len(pages.documents()) == 19
    with watching(client, folder, max_deleted_share=1.0, sync=True) as watched:
        assert watched.reports[0].deleted == 15


class Flaky(WordEmbedder):
    """Fails while it is told to, as an API that is down."""

    down = False

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        if self.down:
            raise errors.EmbeddingError("the API is down")
        return super().embed_documents(texts, progress)


def test_a_model_that_fails_is_waited_for(url: str, tmp_path: Path) -> None:
    model = Flaky()
    folder = write(tmp_path / "docs", 1)
    with ragpg.connect(url, embedder=model) as client, watching(client, folder) as watched:
        model.down = True
        (folder / "new.md").write_text("The uptime is fine.")
        wait_for(lambda: watched.changes)
        assert watched.changes == [Change("waiting", "", "the API is down")]
        time.sleep(2)
        assert len(watched.changes) == 1, "told once"
        model.down = False
        watched.expect(("added", "new.md"))


def test_it_ends_after_the_documents_at_hand(url: str, tmp_path: Path) -> None:
    stop = threading.Event()

    class Stopping(WordEmbedder):
        def embed_documents(
            self, texts: Sequence[str], progress: Progress | None = None
        ) -> Vectors:
            if len(texts) > 1:
                stop.set()
            return super().embed_documents(texts, progress)

    folder = write(tmp_path / "docs", 150)
    with ragpg.connect(url, embedder=Stopping()) as client:
        reports: list[ragpg.AddReport] = []
        pages = client.collection("pages")
        pages.watch(folder, stop=stop, on_ready=reports.append)
        assert 0 < reports[0].added < 150
        assert (
            len(pages.documents())
            == reports[0].added
            == len([one for one in pages.documents() if one.indexed])
        )
        assert pages.add(folder).added == 150 - reports[0].added


def test_what_cannot_be_watched_is_an_error(client: ragpg.Client, tmp_path: Path) -> None:
    pages = client.collection("pages")
    with pytest.raises(errors.LoadError, match="does not exist"):
        pages.watch(tmp_path / "absent")
    with pytest.raises(errors.BadArgument, match="is a pattern"):
        pages.watch(str(tmp_path / "*.md"))
    with pytest.raises(errors.BadArgument, match=r"example\.com/ is not watched"):
        pages.watch([tmp_path, "https://example.com/"])


def test_patterns_hold_while_a_folder_is_watched(client: ragpg.Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 2)
    stop, told = threading.Event(), list[str]()

    def ready(report: ragpg.AddReport) -> None:
        assert report.added == 1
        write(tmp_path / "docs" / "more", 2)

    def change(one: Any) -> None:
        told.append(one.source)
        stop.set()

    pages = client.collection("pages")
    pages.watch(folder, stop=stop, on_ready=ready, on_change=change, exclude="*/page0.md")
    assert told == [str(folder / "more" / "page1.md")]


class Process:
    """`ragpg add FOLDER --watch --json`, its lines read as they come."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.lines: list[dict[str, Any]] = []
        command = [sys.executable, "-m", "ragpg", "add", str(folder), "--watch", "--json"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            for line in output:
                self.lines.append(json.loads(line))

    def expect(self, outcome: str, name: str = "") -> None:
        wait_for(
            lambda: any(
                one["outcome"] == outcome and one.get("source", "").endswith(name)
                for one in self.lines
            ),
            120,
        )
        self.lines.clear()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.reader.join()
        return code


def test_a_process_outlives_its_database(home: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 2)
    watch = Process(folder, {"RAGPG_HOME": str(home)})
    try:
        watch.expect("ready")
        (folder / "one.md").write_text("The uptime is fine.")
        watch.expect("added", "one.md")
        embedded.stop(home)
        (folder / "two.md").write_text("The login is short.")
        (folder / "one.md").unlink()
        watch.expect("waiting")
        url = embedded.start(home)
        wait_for(lambda: {one["outcome"] for one in watch.lines} >= {"added", "deleted"}, 120)
        assert {one["outcome"] for one in watch.lines} == {"added", "deleted"}
        (folder / "three.md").write_text("The password is long.")
        watch.expect("added", "three.md")
    finally:
        code = watch.end(signal.SIGTERM)
    assert code == 0
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select source from ragpg.document_status where indexed order by 1"
        )
        names = [Path(source).name for (source,) in rows]
    assert names == ["page0.md", "page1.md", "three.md", "two.md"]


def test_the_command_asks_or_refuses(url: str, client: ragpg.Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 4)
    client.collection("pages").add(folder)
    (folder / "page0.md").unlink()
    command = [sys.executable, "-m", "ragpg", "add", str(folder), "-c", "pages", "--sync"]
    settings: dict[str, Any] = {
        "cwd": ROOT,
        "env": {**os.environ, "RAGPG_DATABASE_URL": url, "TERM": "dumb"},
        "text": True,
        "timeout": 120,
    }
    refused = subprocess.run(command, input="", capture_output=True, **settings)
    assert refused.returncode == 1
    assert "1 of 4 documents would be deleted, more than 20 %" in refused.stderr
    assert "--delete-many" in refused.stderr
    for answer, left in (("n\n", 4), ("y\n", 3)):
        outer, inner = pty.openpty()
        os.write(outer, answer.encode())
        asked = subprocess.run(
            command, stdin=inner, stderr=inner, stdout=subprocess.PIPE, **settings
        )
        screen = os.read(outer, 10_000).decode()
        os.close(outer)
        os.close(inner)
        assert "1 of 4 documents would be deleted" in screen and "Delete them" in screen
        assert asked.returncode == (0 if left == 3 else 1)
        assert len(client.collection("pages").documents()) == left
    assert "1 deleted" in asked.stdout
    (folder / "page1.md").unlink()
    done = subprocess.run([*command, "--delete-many"], input="", capture_output=True, **settings)
    assert done.returncode == 0 and "1 deleted" in done.stdout
