"""A server of the tests that speaks GitHub's REST API, as far as a repository is read by it.

https://docs.github.com/rest: commits (a ref's hash), git/trees (recursive, truncated), git/blobs
(raw), tarball (a redirect to another place, where no token belongs), limits by their headers.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit


def blob_sha(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class GithubServer:
    """Serves octo/docs while the `with` lasts: `files` by path, their bytes; `modes` of the others.

    `asked` are the requests: path, and the Authorization that came with it.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, str] = {}
        self.branch = "main"
        self.token = ""  # one without it sees nothing
        self.most_entries = 100_000  # of a recursive tree
        self.left = 60
        self.in_archive: dict[str, bytes | None] = {}  # what it holds instead; None: nothing
        self.asked: list[tuple[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.owner = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def commit(self) -> str:
        told = [self.branch, *(f"{path} {blob_sha(data)}" for path, data in self.files.items())]
        return hashlib.sha1(repr(told).encode()).hexdigest()

    def paths(self) -> list[str]:
        """Returns the paths asked for below the repository, and forgets the requests."""
        paths = [path.removeprefix("/api/v3/repos/octo/docs/") for path, _ in self.asked]
        self.asked.clear()
        return paths

    def tree(self, folder: str, recursive: bool) -> dict[str, Any]:
        entries: dict[str, dict[str, Any]] = {}
        for path, data in sorted(self.files.items()):
            if not path.startswith(folder):
                continue
            first, deeper, _ = path.removeprefix(folder).partition("/")
            if deeper:
                sha = _tree_sha(f"{folder}{first}/")
                entries[first] = {"path": first, "mode": "040000", "type": "tree", "sha": sha}
            if recursive or not deeper:
                mode = self.modes.get(path, "100644")
                kind = "commit" if mode == "160000" else "blob"
                entry = {"path": path.removeprefix(folder), "mode": mode, "type": kind}
                size = {} if kind == "commit" else {"size": len(data)}
                entries[entry["path"]] = {**entry, "sha": blob_sha(data), **size}
        told = list(entries.values())
        is_cut = recursive and len(told) > self.most_entries
        return {
            "sha": _tree_sha(folder),
            "tree": told[: self.most_entries] if is_cut else told,
            "truncated": is_cut,
        }

    def folder_of(self, sha: str) -> str | None:
        folders = {""} | {
            path[: place + 1]
            for path in self.files
            for place in range(len(path))
            if path[place] == "/"
        }
        known = {_tree_sha(one): one for one in folders} | {self.commit(): ""}
        return known.get(sha)

    def archive(self) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for path, data in sorted(self.files.items()):
                held = self.in_archive.get(path, data)
                if held is not None and path not in self.modes:
                    member = tarfile.TarInfo(f"octo-docs-{self.commit()[:7]}/{path}")
                    member.size = len(held)
                    tar.addfile(member, io.BytesIO(held))
        return packed.getvalue()

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _tree_sha(folder: str) -> str:
    return hashlib.sha1(f"tree {folder}".encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        owner: GithubServer = self.server.owner  # type: ignore[attr-defined]
        told = self.headers.get("Authorization", "")
        owner.asked.append((self.path, told))
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/codeload/"):
            self._answer(200, owner.archive(), "application/x-gzip")
            return
        owner.left -= 1
        if told and owner.token and told != f"Bearer {owner.token}":
            self._tell(401, "Bad credentials")
        elif owner.left < 0:
            self._tell(403, "API rate limit exceeded")
        elif not path.startswith("/api/v3/repos/octo/docs/") or (owner.token and not told):
            self._tell(404, "Not Found")
        else:
            self._repository(owner, path.removeprefix("/api/v3/repos/octo/docs/"))

    def _repository(self, owner: GithubServer, path: str) -> None:
        kind, _, rest = path.partition("/")
        if not owner.files:
            self._tell(409, "Git Repository is empty.")
        elif kind == "commits" and rest in ("HEAD", owner.branch, owner.commit()):
            assert self.headers["Accept"] == "application/vnd.github.sha"
            self._answer(200, owner.commit().encode(), "application/vnd.github.sha")
        elif kind == "commits":
            self._tell(422, f"No commit found for SHA: {rest}")
        elif path.startswith("git/trees/"):
            folder = owner.folder_of(path.removeprefix("git/trees/"))
            assert folder is not None
            told = owner.tree(folder, "recursive=1" in self.path)
            self._answer(200, json.dumps(told).encode(), "application/json; charset=utf-8")
        elif path.startswith("git/blobs/"):
            assert "raw" in self.headers["Accept"]
            blobs = {blob_sha(data): data for data in owner.files.values()}
            self._answer(200, blobs[path.removeprefix("git/blobs/")], "application/vnd.github.raw")
        elif path == f"tarball/{owner.commit()}":
            self.send_response(302)
            self.send_header(
                "Location", f"http://localhost:{owner.url.rpartition(':')[2]}/codeload/x"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._tell(404, "Not Found")

    def _tell(self, status: int, message: str) -> None:
        self._answer(status, json.dumps({"message": message}).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        owner: GithubServer = self.server.owner  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-RateLimit-Remaining", str(max(owner.left, 0)))
        self.send_header("X-RateLimit-Reset", "1785600000")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
