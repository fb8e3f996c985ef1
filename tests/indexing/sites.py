"""Pages and sitemaps for the tests of web sites, and what became of them."""

from __future__ import annotations

import ragpg
from ragpg import errors

from ..servers.pages import Page, PagesServer


def html(text: str, *links: str, head: str = "") -> Page:
    anchors = "".join(f'<p><a href="{link}">to {link}</a></p>' for link in links)
    return Page(f"<html><head>{head}</head><body><p>{text}</p>{anchors}</body></html>".encode())


def sitemap(*addresses: str, root: str = "urlset", of: str = "url") -> Page:
    inside = "".join(f"<{of}><loc> {one} </loc></{of}>" for one in addresses)
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    return Page(f"<?xml version='1.0'?><{root} {space}>{inside}</{root}>".encode(), kind="text/xml")


def paths(pages: ragpg.Collection, site: PagesServer) -> list[str]:
    try:
        return [one.source.removeprefix(site.url) for one in pages.documents()]
    except errors.UnknownCollection:
        return []


def left_out(report: ragpg.AddReport, site: PagesServer) -> dict[str, str]:
    return {one.path.removeprefix(site.url): one.reason for one in report.skipped}
