"""Files of repositories on GitHub, by its REST API: listed with their hashes, read when changed.

The trees API tells every file's blob hash in one request, so that what did not change is not read.
What did is asked for one by one (the blobs API), and from the eleventh file on taken from the
archive of the commit, one request for all: without a token 60 an hour are allowed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
import tempfile
import threading
import weakref
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any
from urllib.parse import quote

from ragpg.errors import LoadError
from ragpg.reading.remote import RemoteFile
from ragpg.reading.result import MAX_FILE_BYTES
from ragpg.reading.web import WebAnswer, WebClient
from ragpg.settings import variable

_ADDRESS = re.compile(r"github://([^/@:]+)/([^/@:]+?)/?(?:@([^:]+))?(?::/?(.*))?", re.DOTALL)
_BLOBS = 10  # so many files are asked for by themselves
_MOST_ARCHIVE = 2**30
_MOST_UNPACKED = 4 * 2**30
_ARCHIVE_SECONDS = 600.0
_LFS = b"version https://git-lfs.github.com/spec/"
_UNREAD = {"120000": "a link: name where it leads, too", "160000": "a submodule: add it by itself"}


@dataclass(frozen=True, slots=True)
class _Place:
    """What an address names: a repository, a commit of it, and what lies below a path there."""

    address: str
    owner: str
    name: str
    ref: str
    path: str

    @property
    def repository(self) -> str:
        return f"repos/{quote(self.owner)}/{quote(self.name)}"

    def source(self, path: str) -> str:
        """Returns the address of a file at which a person sees it."""
        server = variable("GITHUB_SERVER_URL") or "https://github.com"
        told = re.sub("[%#? ]", lambda found: f"%{ord(found[0]):02X}", path)
        return f"{server.rstrip('/')}/{self.owner}/{self.name}/blob/{self.ref}/{told}".rstrip("/")


def _place(address: str) -> _Place:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise LoadError(f"{address} is no address on GitHub: github://owner/repo@branch:/folder")
    owner, name, ref, path = found.groups()
    return _Place(address, owner, name.removesuffix(".git"), ref or "HEAD", (path or "").strip("/"))


def source_on_github(address: str) -> str:
    """Returns what the sources of the files at an address begin with."""
    place = _place(address)
    return place.source(place.path)


def find_on_github(address: str, skipped: dict[str, str]) -> list[RemoteFile]:
    """Returns the files at an address; links, submodules and their like are `skipped`."""
    place = _place(address)
    with _Api.client() as client:
        api = _Api(client)
        commit = api.get(
            place, f"commits/{quote(place.ref, safe='/')}", "application/vnd.github.sha"
        )
        archive = _Archive(place, commit.body.decode("ascii", "replace").strip())
        files = []
        for entry in _entries(api, place, archive.commit, ""):
            path = entry["path"]
            if entry["type"] == "tree" or not _is_meant(place.path, path):
                continue
            source = place.source(path)
            if entry["mode"] in _UNREAD:
                skipped[source] = _UNREAD[entry["mode"]]
            else:
                told = entry.get("size"), "", f"blob {entry['sha']}"
                files.append(GithubFile(source, archive, path, *told))
    return sorted(files, key=lambda one: one.url)


def _is_meant(wanted: str, path: str) -> bool:
    if any(one in wanted for one in "*?["):
        from fsspec.utils import glob_translate

        is_meant = re.fullmatch(glob_translate(wanted), path) is not None
        below = path
    else:
        is_meant = not wanted or path == wanted or path.startswith(f"{wanted}/")
        below = path.removeprefix(wanted)
    return is_meant and not any(one.startswith(".") for one in below.split("/"))


def _entries(api: _Api, place: _Place, tree: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yields all files of a tree; one too large for one answer is listed folder by folder."""
    whole = _tree(api, place, f"{tree}?recursive=1")
    is_whole = not whole.get("truncated")
    listed = whole if is_whole else _tree(api, place, tree)
    for entry in listed["tree"]:
        path = prefix + entry["path"]
        if is_whole or entry["type"] != "tree":
            yield {**entry, "path": path}
        elif _may_hold(place.path, path):
            yield from _entries(api, place, entry["sha"], f"{path}/")


def _may_hold(wanted: str, folder: str) -> bool:
    fixed = re.split(r"[^/]*[*?\[]", wanted)[0].rstrip("/")
    return f"{fixed}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{fixed}/") or not fixed


def _tree(api: _Api, place: _Place, tree: str) -> dict[str, Any]:
    answer = api.get(place, f"git/trees/{tree}", "application/vnd.github+json")
    try:
        told: dict[str, Any] = json.loads(answer.body)
        return told
    except ValueError as error:
        raise LoadError(f"{place.address} cannot be listed: {error}") from error


# Reading -----------------------------------------------------------------------------------------


class GithubFile(RemoteFile):
    """A file of a repository, as it was listed; `files` is the commit's archive."""

    __slots__ = ()

    def read(self) -> bytes:
        """Returns the bytes; raises LoadError for a pointer of Git LFS, and for what is large."""
        if (self.size or 0) > MAX_FILE_BYTES:
            raise LoadError(f"{self.url} has more than {MAX_FILE_BYTES // 2**20} MiB: split it")
        archive: _Archive = self.files
        data = archive.read(self.path, self.validator.removeprefix("blob "))
        if data.startswith(_LFS) and len(data) < 1024:
            raise LoadError(f"{self.url} lies in Git LFS: the repository holds a pointer only")
        return data


class _Archive:
    """What a commit holds, asked for file by file, or from the eleventh on as an archive."""

    def __init__(self, place: _Place, commit: str) -> None:
        self.place, self.commit = place, commit
        self._asked = 0
        self._tar: tarfile.TarFile | None = None
        self._members: dict[str, tarfile.TarInfo] = {}
        self._lock = threading.Lock()

    def read(self, path: str, sha: str) -> bytes:
        """Returns the blob of this hash, which stands at this path."""
        with self._lock:
            self._asked += 1
            if self._asked == _BLOBS + 1:
                self._fetch()
            data = self._member(path)
        # An archive may leave files out, or hold others: export-ignore, export-subst, Git LFS.
        if data is not None and hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == sha:
            return data
        with _Api.client() as client:
            raw = "application/vnd.github.raw+json"
            return _Api(client).get(self.place, f"git/blobs/{sha}", raw).body

    def _member(self, path: str) -> bytes | None:
        member = self._members.get(path)
        if self._tar is None or member is None or member.size > MAX_FILE_BYTES:
            return None
        file = self._tar.extractfile(member)
        return file.read() if file else None

    def _fetch(self) -> None:
        """Holds the archive; where it cannot be had, files are asked for as before."""
        plain = tempfile.TemporaryFile()  # noqa: SIM115 (it is read from as long as this lives)
        weakref.finalize(self, plain.close)
        with tempfile.TemporaryFile() as packed, _Api.client(_ARCHIVE_SECONDS) as client:
            try:
                _Api(client).get(self.place, f"tarball/{self.commit}", "*/*", packed)
                packed.seek(0)
                _unpack(packed, plain)
                self._tar = tarfile.TarFile(fileobj=plain)
                for member in self._tar:
                    if member.isfile():  # below a folder of the repository's name and commit
                        self._members[member.name.partition("/")[2]] = member
            except (LoadError, OSError, EOFError, zlib.error, tarfile.TarError):
                self._tar = None


def _unpack(packed: IO[bytes], plain: IO[bytes]) -> None:
    with gzip.GzipFile(fileobj=packed) as file:
        while part := file.read(2**20):
            plain.write(part)
            if plain.tell() > _MOST_UNPACKED:
                raise LoadError("the archive is too large unpacked")
    plain.seek(0)


# The API -----------------------------------------------------------------------------------------


class _Api:
    """Asks GitHub, or the server that GITHUB_API_URL names, as GITHUB_TOKEN may."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._base = (variable("GITHUB_API_URL") or "https://api.github.com").rstrip("/")
        self._token = variable("GITHUB_TOKEN", "GH_TOKEN")

    @staticmethod
    def client(seconds: float = 60.0) -> WebClient:
        """Returns what asks; a server of one's own may be in the local network."""
        is_guarded = variable("GITHUB_API_URL") is None
        return WebClient(threading.Event(), seconds=seconds, is_guarded=is_guarded)

    def get(
        self, place: _Place, path: str, accept: str, sink: IO[bytes] | None = None
    ) -> WebAnswer:
        """Returns the answer to a request about a repository; LoadError says why there is none."""

        def headers(url: str) -> Mapping[str, str]:
            asked = {"Accept": accept, "X-GitHub-Api-Version": "2022-11-28"}
            is_own = url.startswith(f"{self._base}/")  # an archive lies on another host
            return (
                {**asked, "Authorization": f"Bearer {self._token}"}
                if self._token and is_own
                else asked
            )

        most = _MOST_ARCHIVE if sink else MAX_FILE_BYTES
        url = f"{self._base}/{place.repository}/{path}"
        answer = self._client.follow(url, headers, most=most, sink=sink)
        if answer.status != 200 or answer.trouble:
            raise LoadError(f"{place.address} {self._reason(answer)}")
        return answer

    def _reason(self, answer: WebAnswer) -> str:
        if answer.status in (403, 429) and answer.headers.get("X-RateLimit-Remaining") == "0":
            reset = answer.headers.get("X-RateLimit-Reset", "")
            at = f"{datetime.fromtimestamp(int(reset)):%H:%M}" if reset.isdigit() else "later"
            more = "" if self._token else "; with GITHUB_TOKEN 5,000 an hour are, without 60"
            return f"cannot be read before {at}: no more requests are allowed{more}"
        if answer.status == 401:
            return "cannot be read: GITHUB_TOKEN is refused"
        if answer.status in (404, 422):
            whose = "GITHUB_TOKEN may not read it" if self._token else "is private (GITHUB_TOKEN)"
            return f"does not exist, or {whose}"
        if answer.status == 409:
            return "holds no file: the repository is empty"
        return f"cannot be read: {answer.reason}"
