"""Repositories on GitHub, against a server of the tests that speaks its API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import ragpg
from ragpg import errors
from ragpg.reading import github

from ..servers.github import GithubServer

BEGINNING = "https://github.com/octo/docs/blob/HEAD/"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubServer]:
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    with GithubServer() as hub:
        monkeypatch.setenv("GITHUB_API_URL", f"{hub.url}/api/v3")
        hub.files = {
            "README.md": b"# Docs\n\nA refund takes five days.",
            "LICENSE": b"You may use it.",
            "docs/a b#1.md": b"# Limits\n\nThe rate limit is high.",
            "docs/deep/login.txt": b"Login here.",
            "docs/photo.bin": b"no document",
            ".github/ci.md": b"Hidden.",
        }
        yield hub


def sources(pages: ragpg.Collection) -> list[str]:
    return [one.source.removeprefix(BEGINNING) for one in pages.documents()]


def test_a_repository(pages: ragpg.Collection, hub: GithubServer) -> None:
    report = pages.add("github://octo/docs")
    assert report.failures == ()
    assert sources(pages) == ["README.md", "docs/a%20b%231.md", "docs/deep/login.txt"]
    assert [one.path.removeprefix(BEGINNING) for one in report.skipped] == [
        "LICENSE", "docs/photo.bin"
    ]  # fmt: skip
    assert pages.search("refund")[0].source == f"{BEGINNING}README.md"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("github://octo/docs:/docs", ["HEAD/docs/a%20b%231.md", "HEAD/docs/deep/login.txt"]),
        ("github://octo/docs@v1/next:/docs/deep/", ["v1/next/docs/deep/login.txt"]),
        ("github://octo/docs.git@v1/next:/*.md", ["v1/next/README.md"]),
        ("github://octo/docs:/**/*.txt", ["HEAD/docs/deep/login.txt"]),
        ("github://octo/docs:/.github/ci.md", ["HEAD/.github/ci.md"]),
    ],
)
def test_a_branch_and_a_part(
    pages: ragpg.Collection, hub: GithubServer, address: str, found: list[str]
) -> None:
    hub.branch = "v1/next"
    pages.add(address)
    beginning = BEGINNING.removesuffix("HEAD/")
    assert [one.source for one in pages.documents()] == [beginning + one for one in found]


def test_what_did_not_change_is_not_asked_for(pages: ragpg.Collection, hub: GithubServer) -> None:
    pages.add("github://octo/docs:/docs")
    listed = ["commits/HEAD", f"git/trees/{hub.commit()}?recursive=1"]
    asked = hub.paths()
    assert asked[:2] == listed and len(asked) == 4
    assert pages.add("github://octo/docs:/docs").unchanged == 2
    assert hub.paths() == listed
    hub.files["docs/deep/login.txt"] = b"Login there."
    report = pages.add("github://octo/docs:/docs")
    assert (report.unchanged, report.updated) == (1, 1)
    assert len(hub.paths()) == 3


def test_many_files_are_one_request(
    pages: ragpg.Collection, hub: GithubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the archive leaves one out, or holds another one."""
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    hub.token = "secret"
    hub.files = {f"p{number:02}.md": b"Page %d." % number for number in range(40)}
    hub.in_archive = {"p20.md": None, "p30.md": b"Page of $Format$."}
    assert pages.add("github://octo/docs").added == 40
    asked = dict(hub.asked)
    assert asked["/codeload/x"] == ""  # where the token has no business
    assert {told for path, told in asked.items() if path != "/codeload/x"} == {"Bearer secret"}
    assert sum("blobs" in path for path in asked) == 12
    for number in (20, 30, 39):
        (page,) = pages.documents(sources=[f"{BEGINNING}p{number}.md"], texts=True)
        assert page.text == f"Page {number}."


@pytest.mark.parametrize("held", [b"no archive", b"\x1f\x8b\x08 broken"])
def test_without_an_archive_files_are_asked_for(
    pages: ragpg.Collection, hub: GithubServer, monkeypatch: pytest.MonkeyPatch, held: bytes
) -> None:
    monkeypatch.setattr(hub, "archive", lambda: held)
    hub.files = {f"p{number:02}.md": b"Page %d." % number for number in range(15)}
    assert pages.add("github://octo/docs").added == 15


def test_an_archive_that_unpacks_too_large(
    pages: ragpg.Collection, hub: GithubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github, "_MOST_UNPACKED", 1000)
    hub.files = {f"p{number:02}.md": b"Page %d." % number for number in range(15)}
    assert pages.add("github://octo/docs").added == 15
    assert sum("blobs" in path for path, _ in hub.asked) == 15


def test_a_tree_too_large_for_one_answer(pages: ragpg.Collection, hub: GithubServer) -> None:
    hub.files |= {f"other/p{number}.md": b"Page %d." % number for number in range(20)}
    hub.most_entries = 6
    assert pages.add("github://octo/docs:/docs").added == 2
    assert sources(pages) == ["docs/a%20b%231.md", "docs/deep/login.txt"]
    assert len([one for one in hub.paths() if "trees" in one]) == 3


def test_links_submodules_and_pointers_are_told(pages: ragpg.Collection, hub: GithubServer) -> None:
    hub.files = {
        "link.md": b"README.md", "module.md": b"", "README.md": b"A refund.",
        "large.pdf": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
    }  # fmt: skip
    hub.modes = {"link.md": "120000", "module.md": "160000"}
    report = pages.add("github://octo/docs")
    assert {one.path.removeprefix(BEGINNING): one.reason for one in report.skipped} == {
        "link.md": "a link: name where it leads, too",
        "module.md": "a submodule: add it by itself",
    }
    (failure,) = report.failures
    assert "large.pdf lies in Git LFS" in failure.reason


def test_sync_and_patterns(pages: ragpg.Collection, hub: GithubServer) -> None:
    pages.add("github://octo/docs")
    pages.add(text="Of another branch.", source=BEGINNING.replace("HEAD", "v1") + "README.md")
    del hub.files["docs/deep/login.txt"]
    with pytest.raises(errors.TooManyVanished):
        pages.add("github://octo/docs", sync=True)
    nothing = pages.add("github://octo/docs", sync=True, exclude=["*/docs/*"], max_deleted_share=1)
    assert nothing.deleted == 0
    assert pages.add("github://octo/docs:/docs", sync=True, max_deleted_share=1).deleted == 1
    assert len(sources(pages)) == 3
    with pytest.raises(errors.BadArgument, match="pattern"):
        pages.add("github://octo/docs:/**/*.md", sync=True)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("github://octo/none", r"does not exist, or is private \(GITHUB_TOKEN\)"),
        ("github://octo/docs@none", "does not exist"),
        ("github://octo/docs:/none", "holds no file"),
        ("github://octo", "no address on GitHub"),
    ],
)
def test_what_is_not_there(
    pages: ragpg.Collection, hub: GithubServer, address: str, told: str
) -> None:
    with pytest.raises(errors.LoadError, match=told):
        pages.add(address)


def test_who_may_read_it_and_how_often(
    pages: ragpg.Collection, hub: GithubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "secret"
    with pytest.raises(errors.LoadError, match="is private"):
        pages.add("github://octo/docs")
    monkeypatch.setenv("GITHUB_TOKEN", "wrong")
    with pytest.raises(errors.LoadError, match="GITHUB_TOKEN is refused"):
        pages.add("github://octo/docs")
    monkeypatch.delenv("GITHUB_TOKEN")
    hub.left = 0
    with pytest.raises(errors.LoadError, match=r"before \d\d:\d\d: no more .*with GITHUB_TOKEN"):
        pages.add("github://octo/docs")
    assert len(hub.paths()) == 3  # it is not asked again and again
    hub.left, hub.token, hub.files = 60, "", {}
    with pytest.raises(errors.LoadError, match="the repository is empty"):
        pages.add("github://octo/docs")
