"""What a page says to who reads it by machine: its links, its own address, what it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser
from yarl import URL

from ragpg.reading.html import is_too_deep

_LONGEST = 2000  # of an address
_MOST_LINKS = 10_000  # of a page
# What tells where a reader came from, or who they are, and not what is shown.
_TRACKING = frozenset({
    "gclid", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "igshid",
    "mc_cid", "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "mkt_tok", "vero_id", "phpsessid",
    "jsessionid", "aspsessionid",
})  # fmt: skip

_WITH_VALUES = ("unavailable_after", "max-")
_SESSION = re.compile(r";jsessionid=[^?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageWords:
    """What a page says: `links` and `canonical` are normal addresses."""

    links: tuple[str, ...] = ()
    canonical: str = ""
    noindex: bool = False
    has_scripts: bool = False


def normal_address(link: str, base: str = "") -> str:
    """Returns a link as the one address of its page, or nothing where it leads to none.

    Absolute, without fragment, dots, default port, and parameters of tracking and sessions.
    """
    try:
        address = URL(_SESSION.sub("", "".join(link.splitlines()).strip()))
        if base:
            address = URL(base).join(address)
        if address.scheme not in ("http", "https") or not address.host:
            return ""
        kept = [(key, value) for key, value in address.query.items() if not _is_tracking(key)]
        if len(kept) < len(address.query):
            address = address.with_query(kept)
        query = f"?{address.raw_query_string}" if address.raw_query_string else ""
        told = f"{address.origin()}{address.raw_path or '/'}{query}"
    except ValueError:
        return ""
    return told if len(told) <= _LONGEST else ""


def _is_tracking(key: str) -> bool:
    return key.lower().startswith("utm_") or key.lower() in _TRACKING


def site_of(url: str) -> str:
    """Returns what the pages of one site share: the host, with or without www., and the port."""
    address = URL(url)
    port = address.explicit_port
    return f"{(address.host or '').removeprefix('www.')}:{port or ''}"


def words_of_page(html: str, url: str, headers: Iterable[str] = ()) -> PageWords:
    """Returns what the page at an address says, and the X-Robots-Tag headers with it."""
    asked = asked_of(headers)
    if is_too_deep(html):
        return PageWords(noindex="noindex" in asked)
    page = LexborHTMLParser(html)
    base = page.css_first("base[href]")
    root = normal_address(base.attributes.get("href") or "", url) if base else ""
    for node in page.css("meta[name][content]"):
        if (node.attributes.get("name") or "").lower() in ("robots", "ragpg"):
            asked |= asked_of([node.attributes.get("content") or ""])
    links: tuple[str, ...] = ()
    if "nofollow" not in asked:
        # A base may stand on another host, the page's own address then is still its own.
        found = (normal_address(link, root or url) for link in _links(page))
        links = tuple(dict.fromkeys(filter(None, found)))[:_MOST_LINKS]
    canonical = page.css_first("link[rel~=canonical][href]")
    own = normal_address(canonical.attributes.get("href") or "", root or url) if canonical else ""
    return PageWords(links, own, "noindex" in asked, page.css_first("script") is not None)


def _links(page: LexborHTMLParser) -> Iterator[str]:
    for node in page.css("a[href], area[href], frame[src]"):
        relations = (node.attributes.get("rel") or "").lower().split()
        if "nofollow" not in relations:
            yield node.attributes.get("href") or node.attributes.get("src") or ""
    for node in page.css("meta[http-equiv=refresh i][content]"):
        _, found, target = (node.attributes.get("content") or "").partition("=")
        if found:
            yield target.strip(" '\"")


def asked_of(values: Iterable[str]) -> set[str]:
    """Returns the directives for everybody and for ragpg, `none` as the two it stands for."""
    asked: set[str] = set()
    for value in values:
        agent, found, rest = value.lower().partition(":")
        is_for_all = not found or "," in agent or agent.strip().startswith(_WITH_VALUES)
        if is_for_all or agent.strip() == "ragpg":  # else of another robot
            asked |= {one.strip() for one in (value.lower() if is_for_all else rest).split(",")}
    return asked | {"noindex", "nofollow"} if "none" in asked else asked
