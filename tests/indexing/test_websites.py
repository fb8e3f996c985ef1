"""Web sites: sitemaps and links, as robots.txt allows, against a web server of the tests."""

from __future__ import annotations

import gzip
import threading
from functools import partial
from pathlib import Path

import pytest

import ragpg
from ragpg import errors
from ragpg.reading import web, web_sitemaps, website

from ..servers.pages import Page, PagesServer
from .sites import html, left_out, paths, sitemap

# Links -------------------------------------------------------------------------------------------


def test_links_are_followed_to_a_depth(pages: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/docs/"] = html("Start.", "a.html", "../b?utm_source=x#part", "https://other.org/")
    site.pages["/docs/a.html"] = html(
        "A refund.", "/c", "mailto:a@b.org", "javascript:x()", "/docs/"
    )
    site.pages["/b"] = html("A password.", "/docs/a.html#there")
    site.pages["/c"] = html("Too deep.", "/d")
    site.pages["/d"] = html("Deeper.")
    report = pages.add(f"{site.url}/docs/", depth=1)
    assert (report.added, report.failures, report.skipped) == (3, (), ())
    assert paths(pages, site) == ["/b", "/docs/", "/docs/a.html"]
    assert site.gets() == ["/robots.txt", "/docs/", "/docs/a.html", "/b"]
    assert pages.search("refund")[0].source == f"{site.url}/docs/a.html"
    assert pages.add(f"{site.url}/docs/", depth=2).added == 1


def test_a_base_nofollow_and_noindex(pages: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/"] = html("Start.", "one", "no", head='<base href="/deep/er/">')
    site.pages["/"].body += b'<a rel="nofollow ugc" href="/not-asked">x</a>'
    site.pages["/deep/er/one"] = html("One.", "two", head='<meta name=robots content="noindex">')
    site.pages["/deep/er/no"] = html(
        "No.", "/nowhere", head='<meta name=Robots content="NoFollow">'
    )
    site.pages["/deep/er/two"] = html("Two.")
    site.pages["/deep/er/two"].headers["X-Robots-Tag"] = "googlebot: noindex"
    report = pages.add(f"{site.url}/", depth=3)
    assert paths(pages, site) == ["/", "/deep/er/no", "/deep/er/two"]
    assert left_out(report, site) == {"/deep/er/one": "it asks not to be indexed (noindex)"}
    site.pages["/deep/er/two"].headers["X-Robots-Tag"] = "none"
    report = pages.add(f"{site.url}/", depth=3)
    assert set(left_out(report, site)) == {"/deep/er/one", "/deep/er/two"}


def test_a_page_reached_twice_is_one_document(pages: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/"] = html("Start.", "/old", "/new", "/print", "/copy", "/astray", "/a", "/twin")
    site.pages["/old"] = Page(status=301, headers={"Location": "/new"})
    site.pages["/new"] = html("A refund.", head="<title>Refunds</title>")
    site.pages["/print"] = html("For print.", head='<link rel="canonical" href="/screen">')
    site.pages["/screen"] = html("For the screen.")
    site.pages["/copy"] = html("Copied.", head='<link rel="canonical" href="https://other.org/x">')
    site.pages["/astray"] = html("Astray.", head='<link rel="canonical" href="/not-there">')
    site.pages["/a"] = html("One of two.", head='<link rel="canonical" href="/b">')
    site.pages["/b"] = html("Two of two.", head='<link rel="canonical" href="/a">')
    site.pages["/twin"] = html("A refund.", head="<title>Refunds</title>")
    report = pages.add(f"{site.url}/", depth=1)
    assert paths(pages, site) == ["/", "/astray", "/b", "/copy", "/new", "/screen"]
    assert left_out(report, site)["/twin"] == f"the same text as {site.url}/new"
    assert len(site.gets()) == len(site.pages) + 2  # robots.txt and /not-there, none twice


def test_a_site_that_moved_is_read_where_it_is_now(
    pages: ragpg.Collection, site: PagesServer
) -> None:
    there = site.url.replace("127.0.0.1", "localhost")
    site.pages["/old"] = Page(status=308, headers={"Location": f"{there}/new"})
    site.pages["/new"] = html("Here.", "/a", f"{site.url}/not-asked")
    site.pages["/a"] = html("A.")
    assert pages.add(f"{site.url}/old", depth=1).added == 2
    assert [one.source for one in pages.documents()] == [f"{there}/a", f"{there}/new"]


def test_what_is_not_read_is_told(pages: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/"] = html(
        "Start.", "/gone", "/app", "/x.json", "/pic.png", "/away", "/round", "/broken", "/n.md"
    )
    site.pages["/gone"] = Page(status=410)
    site.pages["/app"] = Page(
        b"<html><body><div id=root></div><script src=x></script></body></html>"
    )
    site.pages["/x.json"] = Page(b"{}", kind="application/json")
    site.pages["/pic.png"] = Page(b"\x89PNG", kind="image/png")
    site.pages["/away"] = Page(status=302, headers={"Location": "https://other.org/"})
    site.pages["/round"] = Page(status=302, headers={"Location": "/round"})
    site.pages["/broken"] = Page(status=500)
    site.pages["/n.md"] = Page(b"# Notes\n\nA *note*.", kind="text/plain; charset=utf-8")
    report = pages.add(f"{site.url}/", depth=1)
    assert paths(pages, site) == ["/", "/n.md"]
    assert left_out(report, site) == {
        "/gone": "it is not there: it answers 410",
        "/x.json": "a kind that is not read (application/json)",
        "/pic.png": "a kind that is not read (image/png)",
        "/away": "it leads to https://other.org/: of another host",
        "/round": f"it leads to {site.url}/round: it leads on more than 10 times",
    }
    assert [one.reason.removeprefix(site.url) for one in report.failures] == [
        "/app holds no text: it may need JavaScript, which is not run",
        "/broken cannot be read: it answers 500",
    ]


def test_the_charset_a_server_tells(pages: ragpg.Collection, site: PagesServer) -> None:
    body = "<p>Zażółć gęślą jaźń, refund</p>".encode("iso-8859-2")
    site.pages["/"] = Page(body, kind="text/html; charset=ISO-8859-2")
    pages.add(f"{site.url}/", depth=0)
    assert pages.search("refund")[0].content == "Zażółć gęślą jaźń, refund"


def test_an_endless_calendar_ends(pages: ragpg.Collection, site: PagesServer) -> None:
    for day in range(50):
        site.pages[f"/day?n={day}"] = html(
            f"Day {day}.", f"/day?n={day + 1}", f"?n={day + 2}&gclid=1"
        )
    report = pages.add(f"{site.url}/day?n=0", depth=99, pages=7)
    assert report.added == 7
    assert left_out(report, site) == {
        "/day?n=0": "ended before 2 further addresses: 7 pages were asked for (--pages)"
    }


@pytest.mark.parametrize(
    ("bound", "most", "told"),
    [("_SITE_SECONDS", 0.0, "0 minutes are over"), ("_SITE_BYTES", 10, "0 GiB were read")],
)
def test_bounds_of_time_and_bytes(
    pages: ragpg.Collection,
    site: PagesServer,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    most: float,
    told: str,
) -> None:
    monkeypatch.setattr(website, bound, most)
    site.pages["/"] = html("Start.", "/a", "/b")
    report = pages.add(f"{site.url}/", depth=1)
    assert report.added == 1
    assert left_out(report, site) == {"/": f"ended before 2 further addresses: {told}"}


def test_slow_and_endless_pages_fail_and_the_rest_is_read(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(website, "WebClient", partial(web.WebClient, seconds=1.0))
    monkeypatch.setattr(website, "_PAGE_BYTES", 2**20)
    site.pages["/"] = html("Start.", "/slow", "/endless", "/early", "/bomb", "/fine")
    site.pages["/slow"] = Page(b"slow " * 1000, pause=0.01)
    site.pages["/endless"] = Page(endless=True)
    site.pages["/early"] = Page(b"<p>A refund.</p>", early=2)
    bomb = gzip.compress(bytes(2**24))
    site.pages["/bomb"] = Page(bomb, headers={"Content-Encoding": "gzip"})
    site.pages["/fine"] = html("Fine.")
    report = pages.add(f"{site.url}/", depth=1)
    assert paths(pages, site) == ["/", "/early", "/fine"]
    assert [one.reason.removeprefix(site.url) for one in report.failures] == [
        "/slow cannot be read: it takes more than 1 s",
        "/endless cannot be read: it has more than 1 MiB",
        "/bomb cannot be read: it has more than 1 MiB",
    ]


def test_one_of_several_sites_that_does_not_answer(
    pages: ragpg.Collection, site: PagesServer, tmp_path: Path
) -> None:
    site.pages["/"] = html("Start.")
    (tmp_path / "a.md").write_text("A refund.")
    report = pages.add([f"{site.url}/none", f"{site.url}/", tmp_path], depth=0)
    assert report.added == 2
    assert [one.source for one in report.failures] == [f"{site.url}/none"]


def test_patterns(pages: ragpg.Collection, site: PagesServer) -> None:
    site.pages["/"] = html("Start.", "/en/a", "/en/old/b", "/de/c")
    site.pages["/en/a"] = html("A.")
    site.pages["/en/old/b"] = html("B.")
    site.pages["/de/c"] = html("C.")
    pages.add(f"{site.url}/", depth=1, include="*/en/*", exclude=["*/old/*"])
    assert paths(pages, site) == ["/en/a"]
    assert site.gets() == ["/robots.txt", "/", "/en/a"]


# robots.txt --------------------------------------------------------------------------------------


def test_robots_txt_is_kept(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    real = threading.Event.wait

    def quick(self: threading.Event, seconds: float | None = None) -> bool:
        waited.append(seconds or 0.0)
        return real(self, min(seconds, 0.01) if seconds else seconds)

    monkeypatch.setattr(threading.Event, "wait", quick)
    rules = "User-agent: *\nDisallow: /*.pdf$\nAllow: /a/public\nDisallow: /a\nCrawl-delay: 7"
    site.pages["/robots.txt"] = Page(rules.encode(), kind="text/plain")
    site.pages["/"] = html("Start.", "/a/x", "/a/public", "/x.pdf")
    site.pages["/a/public"] = html("Public.")
    report = pages.add(f"{site.url}/", depth=1)
    assert paths(pages, site) == ["/", "/a/public"]
    assert site.gets() == ["/robots.txt", "/", "/a/public"]
    assert left_out(report, site) == dict.fromkeys(
        ("/a/x", "/x.pdf"), "robots.txt asks not to read it"
    )
    assert any(6 < one <= 7 for one in waited if one)


@pytest.mark.parametrize(
    "page", [Page(status=500), Page(early=99), Page(status=503, headers={"Retry-After": "0"})]
)
def test_without_its_rules_nothing_is_read(
    pages: ragpg.Collection, site: PagesServer, page: Page
) -> None:
    site.pages["/robots.txt"] = page
    site.pages["/"] = html("Start.")
    with pytest.raises(errors.LoadError, match=r"robots.txt cannot be read.*RFC 9309.*answers"):
        pages.add(f"{site.url}/", depth=1)
    assert "/" not in site.gets()


@pytest.mark.parametrize(
    "page", [Page(status=404), Page(status=403), Page(b"<html>Not here</html>")]
)
def test_a_site_without_rules_is_read(
    pages: ragpg.Collection, site: PagesServer, page: Page
) -> None:
    site.pages["/robots.txt"] = page
    site.pages["/"] = html("Start.")
    assert pages.add(f"{site.url}/", depth=1).added == 1


def test_a_start_that_is_not_allowed_or_not_there(
    pages: ragpg.Collection, site: PagesServer
) -> None:
    site.pages["/robots.txt"] = Page(b"User-agent: RAGPG\nDisallow: /no")
    for path, told in (("/no", "robots.txt asks"), ("/missing", "does not exist")):
        with pytest.raises(errors.LoadError, match=told):
            pages.add(site.url + path, depth=1)
    assert "/no" not in site.gets()


# Sitemaps ----------------------------------------------------------------------------------------


def test_a_sitemap_and_those_it_names(pages: ragpg.Collection, site: PagesServer) -> None:
    u = site.url
    index = [f"{u}/posts.xml.gz", f"{u}/list.txt", f"{u}/sitemap.xml", f"{u}/broken.xml"]
    site.pages["/sitemap.xml"] = sitemap(*index, root="sitemapindex", of="sitemap")
    posts = sitemap(f"{u}/a?x=1&y=2", f"{u}/b#part", "https://other.org/c", f"{u}/b")
    posts.body = gzip.compress(
        posts.body.replace(b"</url>", b"<i:i xmlns:i='i'><i:loc>/i</i:loc></i:i></url>")
    )
    site.pages["/posts.xml.gz"] = Page(posts.body, kind="application/x-gzip")
    site.pages["/list.txt"] = Page(f"{u}/t\n\n".encode(), kind="text/plain")
    site.pages["/broken.xml"] = Page(status=500)
    for path in ("/a?x=1&y=2", "/b", "/t"):
        site.pages[path] = html(f"A page {path}.", "/not-followed")
    report = pages.add(f"{u}/sitemap.xml")
    assert paths(pages, site) == ["/a?x=1&y=2", "/b", "/t"]
    assert left_out(report, site) == {"https://other.org/c": "of another host"}
    assert [one.source for one in report.failures] == [f"{u}/broken.xml"]


def test_a_bomb_and_one_without_an_end(
    pages: ragpg.Collection, site: PagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_sitemaps, "_MOST_BYTES", 2**20)
    monkeypatch.setattr(website, "_PAGE_BYTES", 2**21)
    bomb = gzip.compress(b"<urlset>" + bytes(2**24))
    site.pages["/sitemap.xml.gz"] = Page(bomb, kind="application/gzip")
    site.pages["/sitemap.xml"] = Page(endless=True, kind="text/xml")
    site.pages["/packed/sitemap.xml"] = Page(bomb, headers={"Content-Encoding": "gzip"})
    for path, told in (
        ("/sitemap.xml.gz", "more than 1 MiB unpacked"),
        ("/sitemap.xml", "more than 2 MiB"),
        ("/packed/sitemap.xml", "more than 2 MiB"),
    ):
        with pytest.raises(errors.LoadError, match=told):
            pages.add(site.url + path)


def test_what_is_named_as_a_sitemap_and_is_a_page(
    pages: ragpg.Collection, site: PagesServer
) -> None:
    site.pages["/sitemap.html"] = html("All our pages.", "/a")
    assert pages.add(f"{site.url}/sitemap.html").added == 1
    assert site.gets() == ["/robots.txt", "/sitemap.html"]
