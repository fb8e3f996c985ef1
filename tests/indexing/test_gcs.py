"""Buckets of Google Cloud Storage: gcsfs against an emulator of its API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.request import Request, urlopen

import pytest
from gcp_storage_emulator.server import create_server

import ragpg
from ragpg import errors

Put = Callable[[str, str], None]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Puts a text into the bucket papers, or takes it away."""
    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    url = f"http://127.0.0.1:{server._api._httpd.server_port}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)

    def send(method: str, path: str, body: bytes | None) -> None:
        kind = "application/json" if path.startswith("/storage") else "text/plain"
        headers = {"Content-Type": kind}
        with urlopen(Request(url + path, data=body, method=method, headers=headers)) as answer:
            answer.read()

    def put(name: str, text: str) -> None:
        name = name.replace("/", "%2F")
        if text:
            upload = f"/upload/storage/v1/b/papers/o?uploadType=media&name={name}"
            send("POST", upload, text.encode())
        else:
            send("DELETE", f"/storage/v1/b/papers/o/{name}", None)

    send("POST", "/storage/v1/b?project=tests", json.dumps({"name": "papers"}).encode())
    put("handbook/refunds.md", "# Refunds\n\nA refund takes five days.")
    put("handbook/deep/limits.txt", "The rate limit is high.")
    put("handbook/photo.bin", "no document")
    put("other/login.md", "Login here.")
    yield put
    server.stop()


def test_a_prefix_is_added_and_kept_in_step(client: ragpg.Client, put: Put) -> None:
    pages = client.collection("pages")
    report = pages.add("gs://papers/handbook")
    assert report.failures == ()
    assert [one.path for one in report.skipped] == ["gs://papers/handbook/photo.bin"]
    assert [one.source for one in pages.documents()] == [
        "gs://papers/handbook/deep/limits.txt", "gs://papers/handbook/refunds.md"
    ]  # fmt: skip
    assert pages.search("refund")[0].source == "gs://papers/handbook/refunds.md"
    put("handbook/refunds.md", "# Refunds\n\nA refund takes six days.")
    report = pages.add("gs://papers/handbook")
    assert (report.unchanged, report.updated) == (1, 1)
    put("handbook/deep/limits.txt", "")
    report = pages.add("gs://papers/handbook", sync=True, max_deleted_share=0.5)
    assert (report.unchanged, report.deleted) == (1, 1)


def test_a_pattern_and_what_is_not_there(client: ragpg.Client, put: Put) -> None:
    pages = client.collection("pages")
    assert pages.add("gs://papers/*/*.md").added == 2
    with pytest.raises(errors.LoadError, match="gs://papers/none holds no file"):
        pages.add("gs://papers/none")
    with pytest.raises(errors.LoadError, match="gs://nobody/x"):
        pages.add("gs://nobody/x")
