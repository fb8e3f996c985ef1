"""Web sites read again: what did not change, what vanished; and none of the local network."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import ragpg
from ragpg import errors
from ragpg.reading import remote, web

from ..servers.pages import Page, PagesServer
from .sites import html, left_out, paths

# Read again --------------------------------------------------------------------------------------


def test_pages_that_did_not_change_are_not_downloaded(
    pages: ragpg.Collection, site: PagesServer
) -> None:
    site.pages["/"] = html("Start.", "/etag", "/time", "/nonce")
    site.pages["/etag"] = html("A refund.")
    site.pages["/etag"].headers["ETag"] = 'W/"1"'
    site.pages["/time"] = html("A password.")
    site.pages["/time"].headers["Last-Modified"] = "Sat, 01 Aug 2026 10:00:00 GMT"
    site.pages["/nonce"] = html("Money.", head='<meta name="csrf" content="1">')
    first = pages.add(f"{site.url}/", depth=1)
    assert (first.added, site.not_modified) == (4, [])
    site.pages["/nonce"].body = html("Money.", head='<meta name="csrf" content="2">').body
    again = pages.add(f"{site.url}/", depth=1)
    assert (again.unchanged, again.updated, again.chunks_embedded) == (4, 0, 0)
    assert site.not_modified == ["/etag", "/time"]
    site.pages["/etag"].headers["ETag"] = 'W/"2"'  # with the same text
    assert pages.add(f"{site.url}/", depth=1).unchanged == 4
    site.pages["/time"].headers["Last-Modified"] = "Sun, 02 Aug 2026 10:00:00 GMT"
    site.pages["/time"].body = html("Another password.").body
    assert pages.add(f"{site.url}/", depth=1).updated == 1


def test_a_loader_of_another_version_reads_them_again(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = html("A refund.")
    site.pages["/"].headers["ETag"] = '"1"'
    pages.add(f"{site.url}/", depth=0)
    monkeypatch.setattr("ragpg.indexing.inputs.LOADER_VERSION", "next")
    pages.add(f"{site.url}/", depth=0)
    assert site.not_modified == []
    pages.add(f"{site.url}/", depth=0)
    assert site.not_modified == ["/"]


# In step -----------------------------------------------------------------------------------------


@pytest.fixture
def stored(pages: ragpg.Collection, site: PagesServer) -> ragpg.Collection:
    names = [f"/p{number}" for number in range(8)]
    site.pages["/"] = html("Start.", *names, "/inner")
    site.pages["/inner"] = html("Inner.", "/deep")
    site.pages["/deep"] = html("Deep.")
    for name in names:
        site.pages[name] = html(f"Page {name}.")
    assert pages.add(f"{site.url}/", depth=2).added == 11
    pages.add(text="Of somebody else.", source=f"{site.url}/p1/else")
    return pages


def test_sync_deletes_what_vanished(stored: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/p0"] = Page(status=404)
    site.pages["/inner"] = html("Inner, without a link.")
    for number, told in enumerate((b"f" * 128, b"[]" * 33, b"1" * 65)):
        stored.session.database.execute(
            "select ragpg.put_document(%(name)s, %(source)s, 'By SQL.', source_hash => %(told)s)",
            name=stored.name, source=f"{site.url}/sql{number}", told=told,
        )  # fmt: skip
    stored.add(text="Of somebody else.", source="else")  # and what waits is indexed
    report = stored.add(f"{site.url}/", depth=2, sync=True)
    assert report.deleted == 2
    assert {"/p0", "/deep"}.isdisjoint(paths(stored, site))
    assert "/p1/else" in paths(stored, site)


def test_more_than_a_fifth_is_not_deleted(stored: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/"] = html("We are being rebuilt.", "/p0")
    with pytest.raises(errors.TooManyVanished, match="9 of 12 documents"):
        stored.add(f"{site.url}/", depth=2, sync=True)
    assert len(paths(stored, site)) == 12
    assert stored.add(f"{site.url}/", depth=2, sync=True, max_deleted_share=1).deleted == 9


@pytest.mark.parametrize("status", [500, 403, 429])
def test_an_outage_deletes_nothing(
    stored: ragpg.Collection, site: PagesServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "TRIES", 1)
    site.pages["/p1"] = site.pages["/inner"] = Page(status=status)  # /deep is not found then
    report = stored.add(f"{site.url}/", depth=2, sync=True, max_deleted_share=1)
    assert (report.deleted, len(report.failures)) == (0, 2)
    site.pages["/p0"] = Page(status=404)  # this one surely is gone
    assert stored.add(f"{site.url}/", depth=2, sync=True, max_deleted_share=1).deleted == 1
    for path in ("/", "/robots.txt"):
        site.pages[path] = Page(status=500)
        with pytest.raises(errors.LoadError):
            stored.add(f"{site.url}/", depth=2, sync=True, max_deleted_share=1)
    assert len(paths(stored, site)) == 11


def test_after_five_outages_it_ends(stored: ragpg.Collection, site: PagesServer) -> None:
    for number in range(8):
        site.pages[f"/p{number}"] = Page(status=500)
    site.gets()
    report = stored.add(f"{site.url}/", depth=2, sync=True, max_deleted_share=1)
    assert left_out(report, site)["/"].endswith("5 pages in a row gave no answer")
    assert (len(report.failures), report.deleted) == (5, 0)


def test_a_bound_and_other_patterns_delete_nothing(
    stored: ragpg.Collection, site: PagesServer
) -> None:
    all_of_it: dict[str, Any] = {"sync": True, "max_deleted_share": 1.0}
    assert stored.add(f"{site.url}/", depth=2, pages=3, **all_of_it).deleted == 0
    assert stored.add(f"{site.url}/", depth=2, exclude=["*/p*"], **all_of_it).deleted == 0
    site.pages["/robots.txt"] = Page(b"User-agent: *\nDisallow: /p3")
    assert stored.add(f"{site.url}/", depth=2, **all_of_it).deleted == 0
    assert stored.add(f"{site.url}/inner", depth=1, **all_of_it).deleted == 0  # a walk of its own


def test_a_page_by_itself_does_not_take_others_with_it(
    stored: ragpg.Collection, site: PagesServer
) -> None:
    report = stored.add(f"{site.url}/", sync=True, max_deleted_share=1)
    assert (report.deleted, len(paths(stored, site))) == (0, 12)
    site.pages["/p2"] = html("Page of now.")
    assert stored.add(f"{site.url}/p2", sync=True, max_deleted_share=1).deleted == 0


def test_what_was_read_before_the_end_is_kept(pages: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/"] = html("Start.", *(f"/p{number}" for number in range(9)))
    for number in range(9):
        site.pages[f"/p{number}"] = html(f"Page {number}.")
    stop = threading.Event()

    def progress(*, documents: int, total: int, chunks: int, share: float) -> None:
        if len(site.asked) > 4:
            stop.set()

    report = pages.add([f"{site.url}/"], depth=1, stop=stop, progress=progress, sync=True)
    assert 0 < report.added < 10
    assert len(paths(pages, site)) == report.added
    assert pages.add(f"{site.url}/", depth=1).unchanged == report.added


# The local network -------------------------------------------------------------------------------


def test_no_page_of_the_local_network_is_asked(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = html("Start.", "/a")
    monkeypatch.delenv("RAGPG_LOCAL_ADDRESSES")
    with pytest.raises(errors.LoadError, match="local network"):
        pages.add(f"{site.url}/", depth=1)
    assert site.asked == []


def test_a_name_that_leads_elsewhere_later_is_refused(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection is looked at: the first two lead to a public address, as it is told here."""
    real, looked = remote._is_public, []

    def changing(host: str) -> bool:
        looked.append(host)
        return len(looked) <= 2 or real(host)

    monkeypatch.delenv("RAGPG_LOCAL_ADDRESSES")
    monkeypatch.setattr(remote, "_is_public", changing)
    site.pages["/"] = html("Start.", "/a")
    site.pages["/a"] = html("A secret.")
    report = pages.add(f"{site.url}/", depth=1)
    assert [one.source for one in report.failures] == [f"{site.url}/a"]
    assert "local network" in report.failures[0].reason
    assert paths(pages, site) == ["/"]
