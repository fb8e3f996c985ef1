"""Documents in buckets and on the web: moto's S3 over its own protocol, and a web server."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from fsspec.registry import _registry
from moto.server import ThreadedMotoServer

import ragpg
from ragpg import errors
from ragpg.reading import remote

from ..servers.pages import Page, PagesServer


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    made = boto3.resource("s3").create_bucket(Bucket="papers")
    for key, text in {
        "handbook/refunds.md": "# Refunds\n\nA refund takes five days.",
        "handbook/deep/limits.txt": "The rate limit is high.",
        "handbook/photo.bin": "no document",
        "handbook/.hidden.md": "Nobody sees it.",
        "other/login.md": "Login here.",
        "handbook/rows.jsonl": '{"id": 1, "text": "A password."}\n{"id": 2, "text": "Uptime."}',
    }.items():
        made.put_object(Key=key, Body=text.encode())
    yield made
    made.objects.delete()
    made.delete()


def sources(pages: ragpg.Collection) -> list[str]:
    return [one.source for one in pages.documents()]


# Buckets -----------------------------------------------------------------------------------------


def test_all_below_a_prefix(pages: ragpg.Collection, bucket: Any) -> None:
    report = pages.add("s3://papers/handbook")
    assert report.failures == ()
    assert sources(pages) == [
        "s3://papers/handbook/deep/limits.txt",
        "s3://papers/handbook/refunds.md",
        "s3://papers/handbook/rows.jsonl#1",
        "s3://papers/handbook/rows.jsonl#2",
    ]
    assert [one.path for one in report.skipped] == ["s3://papers/handbook/photo.bin"]
    (hit, *_) = pages.search("refund")
    assert (hit.source, hit.title) == ("s3://papers/handbook/refunds.md", "Refunds")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://papers/handbook/refunds.md", ["handbook/refunds.md"]),
        ("s3://papers/*/*.md", ["handbook/refunds.md", "other/login.md"]),
        ("s3://papers/**/*.txt", ["handbook/deep/limits.txt"]),
        ("s3://papers/other/", ["other/login.md"]),
    ],
)
def test_one_or_those_of_a_pattern(
    pages: ragpg.Collection, bucket: Any, address: str, found: list[str]
) -> None:
    pages.add(address)
    assert sources(pages) == [f"s3://papers/{one}" for one in found]


def test_what_did_not_change_is_not_read(
    pages: ragpg.Collection, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = remote.RemoteFile.read

    def counted(one: remote.RemoteFile) -> bytes:
        read.append(one.path)
        return real(one)

    monkeypatch.setattr(remote.RemoteFile, "read", counted)
    assert pages.add(["s3://papers/handbook/deep", "s3://papers/other"]).added == 2
    assert len(read) == 2
    bucket.put_object(Key="other/login.md", Body=b"Login there.")
    report = pages.add(["s3://papers/handbook/deep", "s3://papers/other"])
    assert (report.unchanged, report.updated) == (1, 1)
    assert read[2:] == ["papers/other/login.md"]


def test_an_empty_file_is_told(pages: ragpg.Collection, bucket: Any) -> None:
    bucket.put_object(Key="handbook/empty.md", Body=b"")
    (failure,) = pages.add("s3://papers/handbook").failures
    assert failure.reason == "s3://papers/handbook/empty.md holds no text"


def test_sync_deletes_what_vanished(pages: ragpg.Collection, bucket: Any) -> None:
    pages.add(text="Of somebody else.", source="s3://papers-of-others/handbook/x.md")
    pages.add("s3://papers")
    bucket.Object("handbook/refunds.md").delete()
    with pytest.raises(errors.TooManyVanished):
        pages.add("s3://papers/handbook", sync=True)
    report = pages.add("s3://papers/handbook", sync=True, max_deleted_share=0.5)
    assert report.deleted == 1
    assert "s3://papers/handbook/refunds.md" not in sources(pages)
    assert len(sources(pages)) == 5


def test_a_bucket_that_there_is_not_and_one_that_is_empty(
    pages: ragpg.Collection, bucket: Any
) -> None:
    with pytest.raises(errors.LoadError, match=r"s3://nobody/x .*does not exist"):
        pages.add("s3://nobody/x")
    with pytest.raises(errors.LoadError, match="holds no file"):
        pages.add("s3://papers/none/")
    with pytest.raises(errors.LoadError, match="no address that is read: s3://"):
        pages.add("ftp://papers/none/")


# The web -----------------------------------------------------------------------------------------


def test_a_page_by_its_type_read_again_when_it_changed(
    pages: ragpg.Collection, site: PagesServer
) -> None:
    page = site.pages["/refunds?lang=en"] = Page(b"<h1>Refunds</h1><p>Five days.</p>")
    page.headers["ETag"] = '"1"'
    address = f"{site.url}/refunds?lang=en"
    assert pages.add(address).added == 1
    assert sources(pages) == [address]
    assert site.gets() == ["/refunds?lang=en"]
    assert pages.add(address).unchanged == 1
    assert site.gets() == []  # its ETag was asked for
    page.headers["ETag"], page.body = '"2"', b"<h1>Refunds</h1><p>Six days.</p>"
    assert pages.add(address).updated == 1
    assert "Six days" in pages.search("refund")[0].content


def test_without_an_etag_the_bytes_are_compared(pages: ragpg.Collection, site: PagesServer) -> None:
    page = site.pages["/notes.md"] = Page(b"# Notes\n\nA refund.", kind="text/plain")
    assert pages.add(f"{site.url}/notes.md").added == 1
    assert pages.add(f"{site.url}/notes.md").unchanged == 1
    page.body = b"# Notes\n\nNo refund."
    assert pages.add(f"{site.url}/notes.md").updated == 1
    page.has_head = False  # some servers answer no HEAD
    assert pages.add(f"{site.url}/notes.md").unchanged == 1


def test_an_address_with_a_question_mark_is_no_pattern(
    pages: ragpg.Collection, site: PagesServer
) -> None:
    site.pages["/page?id=1"] = Page(b"<p>A refund.</p>")
    assert pages.add(f"{site.url}/page?id=1", sync=True).added == 1
    assert pages.add(f"{site.url}/page?id=1", sync=True).unchanged == 1


def test_redirects_and_what_is_asked_too_often(pages: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/old.md"] = Page(status=302, headers={"Location": "/new.md"})
    site.pages["/new.md"] = Page(b"A refund.", early=2)
    site.pages["/loop.md"] = Page(status=302, headers={"Location": "/loop.md"})
    assert pages.add(f"{site.url}/old.md").added == 1
    assert sources(pages) == [f"{site.url}/old.md"]
    with pytest.raises(errors.LoadError, match="cannot be read"):
        pages.add(f"{site.url}/loop.md")


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (Page(status=404), "does not exist"),
        (Page(status=403), "answers 403"),
        (Page(b"x", early=99), "answers 429"),
        (Page(status=500), "answers 500"),
    ],
)
def test_what_is_not_answered_is_told(
    pages: ragpg.Collection, site: PagesServer, page: Page, told: str
) -> None:
    site.pages["/page.md"] = page
    with pytest.raises(errors.LoadError, match=f"page.md .*{told}"):
        pages.add(f"{site.url}/page.md")


def test_endless_and_slow_answers_end(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_FILE_BYTES", 3 * 2**20)
    monkeypatch.setattr(remote, "_SECONDS", 1.0)
    site.pages["/endless.md"] = Page(endless=True)
    site.pages["/slow.md"] = Page(b"slow " * 1000, pause=0.01)
    site.pages["/large.md"] = Page(b"x" * 2**22, headers={"ETag": '"1"'})
    large, slow = "more than 3 MiB", r"takes more than 1 s|cannot be read: .*Timeout"
    for name, told in (("endless", large), ("slow", slow), ("large", large)):
        (failure,) = pages.add(f"{site.url}/{name}.md").failures
        assert failure.source == f"{site.url}/{name}.md"
        assert re.search(told, failure.reason)
    assert sources_or_none(pages) == []


def sources_or_none(pages: ragpg.Collection) -> list[str]:
    try:
        return sources(pages)
    except errors.UnknownCollection:
        return []


# The local network -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_local_addresses_are_refused(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("RAGPG_LOCAL_ADDRESSES")
    site.pages["/page.md"] = Page(b"A secret.")
    address = site.url.replace("127.0.0.1", host)
    with pytest.raises(errors.LoadError, match="local network"):
        pages.add(f"{address}/page.md")
    assert site.asked == []


def test_a_redirect_into_the_local_network_is_refused(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page is public, as far as this process is told; it leads to a local one."""
    monkeypatch.delenv("RAGPG_LOCAL_ADDRESSES")
    with PagesServer() as inner:
        inner.pages["/secret.md"] = Page(b"A secret.")
        site.pages["/page.md"] = Page(status=302, headers={"Location": f"{inner.url}/secret.md"})
        port = int(site.url.rpartition(":")[2])
        real = remote._socket
        monkeypatch.setattr(
            remote,
            "_socket",
            lambda one: socket.socket(*one[:3]) if one[4][1] == port else real(one),
        )
        with pytest.raises(errors.LoadError, match=r"cannot be read.*local network"):
            pages.add(f"{site.url}/page.md")
        assert site.asked and inner.asked == []


def test_what_an_address_needs_is_named(pages: ragpg.Collection) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "gcsfs", None)
        # Which keeps what another test had it import.
        patch.delitem(_registry, "gs", raising=False)
        with pytest.raises(errors.LoadError, match=r"needs gcsfs: .*'ragpg\[remote\]' gcsfs"):
            pages.add("gs://papers/x")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0), ("3600", 60.0), ("", 2.0), ("soon", 2.0), ("-1", 2.0),
        ("Sat, 01 Aug 2020 10:00:00 GMT", 0.0), ("Sat, 01 Aug 2099 10:00:00 GMT", 60.0),
    ],
)  # fmt: skip
def test_how_long_is_waited(told: str, seconds: float) -> None:
    assert remote.waiting({"Retry-After": told}, 1) == seconds


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False), ("100.64.0.1", False),
        ("169.254.169.254", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False),
        ("2002:0a00:0001::", False), ("64:ff9b::7f00:1", False), ("64:ff9b::5db8:d70e", True),
        ("::127.0.0.1", False), ("fec0::1", False), ("64:ff9b:1::a00:1", False),
        ("::ffff:0:10.0.0.1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(host: str, public: bool) -> None:
    assert remote._is_public(host) is public
