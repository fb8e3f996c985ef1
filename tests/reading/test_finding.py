"""Files, folders and globs become the files to load."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from pathlib import Path

import pytest

from ragpg.errors import LoadError
from ragpg.reading import Skipped, digest_of_file, find_files, load_path, slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.md", "b.TXT", "c.gif", "sub/d.html", ".hidden.md", ".git/e.md", "sub/[f].md"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")
    return tmp_path / "docs"


def names(folder: Path, *paths: str | Path) -> list[str]:
    return [os.path.relpath(str(path), folder) for _, path in find_files(paths).files]


def test_a_folder_is_read_with_all_below_it(folder: Path) -> None:
    found = find_files([folder])
    assert [source for source, _ in found.files] == [
        f"{folder.as_posix()}/{name}" for name in ("a.md", "b.TXT", "sub/[f].md", "sub/d.html")
    ]
    assert found.skipped == (
        Skipped(f"{folder.as_posix()}/c.gif", "a kind that is not read (.gif)"),
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.md", ["a.md"]),
        ("**/*.md", ["a.md", "sub/[f].md"]),
        ("*", ["a.md", "b.TXT", "sub/[f].md", "sub/d.html"]),
        ("**", ["a.md", "b.TXT", "sub/[f].md", "sub/d.html"]),
        ("s?b/*", ["sub/[f].md", "sub/d.html"]),
        (".git/*.md", [".git/e.md"]),
        ("sub/[f].md", ["sub/[f].md"]),
    ],
)
def test_globs(folder: Path, pattern: str, expected: list[str]) -> None:
    assert names(folder, f"{folder}/{pattern}") == expected


def test_each_file_is_found_once_under_its_absolute_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "sub")
    assert names(folder, "../a.md", folder / "a.md", "../*.md", "./../sub/../a.md") == ["a.md"]


def test_a_name_that_is_not_utf_8_gives_a_source_that_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.md")
    try:
        path.write_text("text")
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    ((source, found),) = find_files([tmp_path]).files
    assert source.endswith("caf\ufffd.md")
    assert load_path(found).title == "caf\ufffd"


def test_links_lead_nowhere_that_was_not_named(folder: Path, tmp_path: Path) -> None:
    """In a folder of somebody else's one may lead to /proc/self/environ, and the keys in it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "g.md").write_text("g")
    (outside / "back").symlink_to(tmp_path)
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "again").symlink_to(folder / "sub")
    (folder / "inside.md").symlink_to(folder / "a.md")
    (folder / "sub" / "out.txt").symlink_to("/proc/self/environ")
    inside = ["a.md", "b.TXT", "inside.md", "sub/[f].md", "sub/d.html"]
    assert names(folder, folder) == inside
    out = {f"{folder}/linked", f"{folder}/sub/out.txt"}
    for paths in ([folder], [f"{folder}/*", f"{folder}/sub/*"]):
        left_out = {one.path: one.reason for one in find_files(paths).skipped}
        assert out <= set(left_out)
        assert all("leads out" in left_out[path] for path in out)
    assert names(folder, folder / "linked") == ["linked/g.md"], "named, it is read"
    assert len(find_files([folder / "sub" / "out.txt"]).files) == 1


@pytest.mark.parametrize("path", ["missing.md", "no/such/folder", "*.nothing", "no/*/x.md"])
def test_what_names_nothing_is_an_error_that_names_it(folder: Path, path: str) -> None:
    with pytest.raises(LoadError, match=re.escape(f"{folder}/{path}")):
        find_files([folder / "a.md", f"{folder}/{path}"])


def test_a_named_file_of_unknown_type_is_found_and_fails_when_loaded(folder: Path) -> None:
    ((_, path),) = find_files([folder / "c.gif"]).files
    with pytest.raises(LoadError, match=r"\.gif files are not read yet; supported: \.md, \.html"):
        load_path(path)


def test_what_is_no_file_is_skipped_by_name_with_its_reason(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    os.mkfifo(folder / "sub" / "pipe.pdf")
    (folder / "to_pipe.md").symlink_to("pipe.md")
    (folder / "zero.md").symlink_to("/dev/zero")
    (folder / "nowhere.md").symlink_to("gone.md")
    (folder / "to_a.md").symlink_to("a.md")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket.md"))
    for paths in ([folder], [f"{folder}/**"], [f"{folder}/*", f"{folder}/sub/*"]):
        found = find_files(paths)
        reasons = {os.path.relpath(one.path, folder): one.reason for one in found.skipped}
        assert {name: reason.split(":")[0] for name, reason in reasons.items()} == {
            "c.gif": "a kind that is not read (.gif)",
            "pipe.md": "a named pipe",
            "sub/pipe.pdf": "a named pipe",
            "to_pipe.md": "a named pipe",
            "zero.md": "a link that leads out of the folder",
            "nowhere.md": "a link that leads nowhere",
            "socket.md": "a socket",
        }
        assert {Path(str(path)).name for _, path in found.files} == {
            "a.md", "b.TXT", "d.html", "[f].md", "to_a.md"
        }  # fmt: skip
    for name, kind in (("pipe.md", "a named pipe"), ("zero.md", "a device")):
        with pytest.raises(LoadError, match=f"neither a file nor a folder: it is {kind}"):
            find_files([folder / name])
        with pytest.raises(LoadError, match=f"is no file but {kind}"):
            load_path(folder / name)
        with pytest.raises(LoadError, match=f"is no file but {kind}"):
            digest_of_file(folder / name)


def test_files_that_say_they_are_empty_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "endless.md").symlink_to("/proc/self/mem")  # of size 0
    assert digest_of_file(tmp_path / "endless.md") == hashlib.sha256().digest()
    with pytest.raises(LoadError, match="no text"):
        load_path(tmp_path / "endless.md")


def test_an_empty_path_is_not_the_current_folder() -> None:
    with pytest.raises(LoadError, match=r"a path is empty: the current folder is \."):
        find_files([""])


def test_a_slow_file_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "SLOW_SECONDS", 0.0)
    told: list[str] = []
    heard = threading.Event()

    def tell(reason: str) -> None:
        told.append(reason)
        heard.set()

    with slow.told_if_slow(tell):
        assert heard.wait(30)
    assert told == ["takes more than 0 s to read"]
