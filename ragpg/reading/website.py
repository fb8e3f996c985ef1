"""The pages of one web site: of its sitemap, or those that links lead to from a start page.

Kept: robots.txt with its pause, noindex and nofollow, canonical addresses; one request at a time.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ragpg.errors import LoadError
from ragpg.reading.media_types import MEDIA_TYPES, PICTURE_MEDIA_TYPES, SEVERAL_MEDIA_TYPES
from ragpg.reading.ocr_setting import ocr_is_wanted
from ragpg.reading.wanted import Wanted
from ragpg.reading.web import WebAnswer, WebClient
from ragpg.reading.web_links import PageWords, asked_of, normal_address, site_of, words_of_page
from ragpg.reading.web_robots import Robots
from ragpg.reading.web_sitemaps import read_sitemap

if TYPE_CHECKING:
    from ragpg.reading.loading import LoadedDocument

_PAUSE = 0.5  # between two requests, unless robots.txt wants more
_PAGE_BYTES = 64 * 2**20
_SITE_BYTES = 2 * 2**30
_SITE_SECONDS = 3600.0
_MOST_SITEMAPS = 1000
_MOST_OUTAGES = 5  # in a row: the site has other worries
_HTML = "text/html"
_ROBOTS = "robots.txt asks not to read it"
_KINDS = {"application/xhtml+xml": _HTML, "text/xml": "application/xml"}
_UNTOLD = ("", "application/octet-stream", "binary/octet-stream", "text/plain")


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a page from last time: what says whether it changed, and its text's hash."""

    etag: str = ""
    modified: str = ""
    text_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class SitePage:
    """A page as it is now; without `load` it is as it was stored."""

    url: str
    stored: Stored
    load: Callable[[], LoadedDocument] | None = None


@dataclass(slots=True)
class Visit:
    """A walk through a site; after it, what was left out, what failed, and whether that was all.

    `gone` are addresses at which surely is no page any more. `ended` says why the walk ended early.
    """

    start: str
    wanted: Wanted
    known: Callable[[str], Stored | None]
    stop: threading.Event
    failed: Callable[[str, str], None]
    skipped: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)  # looked at in vain, or not to be looked at
    ended: str = ""
    is_whole: bool = True
    asked: int = 0
    _queue: deque[tuple[str, int]] = field(default_factory=deque)
    _seen: set[str] = field(default_factory=set)
    _visited: set[str] = field(default_factory=set)
    _done: dict[str, bool] = field(default_factory=dict)  # whether it became a document
    _texts: dict[bytes, str] = field(default_factory=dict)
    _outages: int = 0
    _site: str = ""
    _client: WebClient = field(init=False)
    _robots: Robots = field(init=False)

    @property
    def found(self) -> int:
        """So many pages are known of."""
        return min(self.asked + len(self._queue), self.wanted.pages)

    def pages(self) -> Iterator[SitePage]:
        """Yields the pages as they come; LoadError where the first address gives none."""
        until = time.monotonic() + _SITE_SECONDS
        with WebClient(self.stop, _PAUSE) as self._client:
            self._robots = Robots(self._client)
            yield from self._begin()
            while self._queue and not self.stop.is_set() and not self._is_at_end(until):
                url, depth = self._queue.popleft()
                yield from self._visit(url, depth)
        self.is_whole = self.is_whole and not (self._queue or self.ended)

    def _is_at_end(self, until: float) -> bool:
        reasons = {
            f"{self.wanted.pages:,} pages were asked for (--pages)": self.asked
            >= self.wanted.pages,
            f"{_SITE_BYTES // 2**30} GiB were read": self._client.read_bytes > _SITE_BYTES,
            f"{_SITE_SECONDS / 60:.0f} minutes are over": time.monotonic() > until,
            f"{_MOST_OUTAGES} pages in a row gave no answer": self._outages >= _MOST_OUTAGES,
        }
        told = next((reason for reason, is_so in reasons.items() if is_so), "")
        if told:
            self.ended = f"ended before {len(self._queue):,} further addresses: {told}"
            self.skipped[self.start] = self.ended
        return bool(told)

    # The first address --------------------------------------------------------------------------

    def _begin(self) -> Iterator[SitePage]:
        start = normal_address(self.start)
        if not start:
            raise LoadError(f"{self.start} is no address that is read")
        # A sitemap is for robots, and somebody named it.
        if self._robots.refuses(start) and "sitemap" not in start.lower():
            raise LoadError(f"{self.start} is not read: {_ROBOTS}")
        conditions = _none if self.wanted.depth else self._conditions
        answer = self._client.follow(start, conditions, most=_PAGE_BYTES)
        if answer.status not in (200, 304) or answer.trouble:
            told = "does not exist" if answer.status in (404, 410) else answer.reason
            raise LoadError(f"{self.start} cannot be read: {told}")
        self._site = site_of(answer.url)
        self._seen.add(start)
        self._visited |= {start, normal_address(answer.url)}
        if answer.status == 200 and self._is_sitemap(answer):
            return
        if self._robots.refuses(answer.url):
            raise LoadError(f"{self.start} is not read: {_ROBOTS}")
        self.asked += 1
        yield from self._page(replace(answer, url=normal_address(answer.url)), 0)

    def _is_sitemap(self, answer: WebAnswer) -> bool:
        """Returns whether it is one; then its pages, and those of sitemaps it names, are queued."""
        try:
            sitemap = read_sitemap(answer.body, answer.kind)
        except LoadError as error:
            raise LoadError(f"{answer.url} cannot be read: {error}") from error
        if sitemap is None:
            return False
        waiting, read = deque([(answer.url, sitemap)]), {normal_address(answer.url)}
        while waiting and not self.stop.is_set():
            url, sitemap = waiting.popleft()
            for page in sitemap.pages:
                self._enqueue(normal_address(page, url), 0, page)
            for one in sitemap.sitemaps:
                inner = normal_address(one, url)
                if not inner or inner in read or not self._is_here(inner, one):
                    continue
                if len(read) >= _MOST_SITEMAPS:
                    self.ended = f"more than {_MOST_SITEMAPS:,} sitemaps are not read"
                    self.skipped[self.start] = self.ended
                    break
                read.add(inner)
                try:
                    told = self._client.follow(inner, refuse=self._refusal, most=_PAGE_BYTES)
                    known = None if told.trouble else read_sitemap(told.body, told.kind)
                    reason = told.reason if told.status != 200 else "it is no sitemap"
                except LoadError as error:
                    known, reason = None, str(error)
                if known is None:
                    self._fail(inner, f"{inner} cannot be read: {reason}", is_leaf=False)
                else:
                    waiting.append((inner, known))
        return True

    # Each page ----------------------------------------------------------------------------------

    def _enqueue(self, url: str, depth: int, told: str = "") -> None:
        if not url or url in self._seen or not self._is_here(url, told):
            return
        self._seen.add(url)
        if self.wanted.passes(url):
            self._queue.append((url, depth))

    def _is_here(self, url: str, told: str) -> bool:
        """Returns whether it is of this site; what a sitemap names elsewhere is told."""
        is_here = site_of(url) == self._site
        if not is_here and told:
            self.skipped[url] = "of another host"
        return is_here

    def _visit(self, url: str, depth: int, *, is_alias: bool = True) -> Iterator[SitePage]:
        """Yields the page at the address, if it is one that was not seen before."""
        if url in self._visited:
            return
        self._visited.add(url)
        try:
            if reason := self._refusal(url):
                self._skip(url, reason)
                return
            self.asked += 1
            is_leaf = depth >= (self.wanted.depth or 0)
            answer = self._client.follow(
                url, self._conditions if is_leaf else _none, self._refusal, _PAGE_BYTES
            )
        except LoadError as error:  # robots.txt of its scheme
            self._fail(url, str(error), is_leaf=False)
            return
        target, answer = answer.url, replace(answer, url=normal_address(answer.url) or url)
        self._visited.add(answer.url)
        self._outages = self._outages + 1 if answer.is_outage else 0
        if answer.status in (404, 410):
            self.gone |= {url, answer.url}
            self.skipped[url] = f"it is not there: it answers {answer.status}"
        elif answer.trouble and answer.status // 100 == 3:
            self._skip(url, f"it leads to {target}: {answer.trouble}")
        elif answer.trouble or answer.status not in (200, 304):
            self._fail(url, f"{url} cannot be read: {answer.reason}", is_leaf=is_leaf)
            self.kept.add(answer.url)
        elif answer.url not in self._done:
            yield from self._page(answer, depth, is_alias=is_alias)

    def _page(self, answer: WebAnswer, depth: int, *, is_alias: bool = True) -> Iterator[SitePage]:
        url = answer.url
        self._done[url] = False
        if answer.status == 304:
            stored = self.known(url)
            if stored is None:  # it was not asked whether it changed
                self._fail(url, f"{url} cannot be read: it answers 304", is_leaf=False)
            elif self._is_new_text(url, stored.text_hash):
                yield SitePage(url, stored)
            return
        kind = kind_of(answer)
        words = PageWords()
        if kind == _HTML:
            words = words_of_page(_text(answer), url, _tags(answer))
            if depth < (self.wanted.depth or 0):
                for link in words.links:
                    self._enqueue(link, depth + 1)
        if words.noindex or "noindex" in asked_of(_tags(answer)):
            self.gone.add(url)
            self.skipped[url] = "it asks not to be indexed (noindex)"
            return
        own = words.canonical
        if (
            own
            and own != url
            and is_alias
            and site_of(own) == self._site
            and self.wanted.passes(own)
        ):
            yield from self._visit(own, depth, is_alias=False)
            if self._done.get(own):
                return
        if not self.wanted.passes(url):  # the start
            return
        if not kind or (kind in PICTURE_MEDIA_TYPES and not ocr_is_wanted()):
            self._skip(url, f"a kind that is not read ({answer.kind or 'untold'})")
            return
        yield from self._document(answer, kind, words)

    def _document(self, answer: WebAnswer, kind: str, words: PageWords) -> Iterator[SitePage]:
        from ragpg.reading.loading import load_bytes

        url, data = answer.url, answer.body
        load: Callable[[], LoadedDocument] = partial(load_bytes, data, media_type=kind, name=url)
        if kind == _HTML:  # its bytes may be others each time, with the same text
            try:
                document = load_bytes(_text(answer).encode(), media_type=kind, name=url)
            except LoadError as error:
                hint = ": it may need JavaScript, which is not run" if words.has_scripts else ""
                self._fail(url, f"{error}{hint}", is_leaf=True)
                return
            data = json.dumps(asdict(document), sort_keys=True).encode()
            load = partial(_same, document)
        stored = Stored(
            answer.headers.get("ETag", ""),
            answer.headers.get("Last-Modified", ""),
            hashlib.sha256(data).digest(),
        )
        if self._is_new_text(url, stored.text_hash):
            yield SitePage(url, stored, load)

    def _is_new_text(self, url: str, text_hash: bytes) -> bool:
        first = self._texts.setdefault(text_hash, url)
        self._done[url] = True
        if first != url:
            self.skipped[url] = f"the same text as {first}"
        return first == url

    def _conditions(self, url: str) -> Mapping[str, str]:
        stored = self.known(normal_address(url))
        told = (stored.etag, stored.modified) if stored else ("", "")
        named = zip(("If-None-Match", "If-Modified-Since"), told, strict=True)
        return {name: value for name, value in named if value}

    def _refusal(self, url: str) -> str:
        if site_of(url) != self._site:
            return "of another host"
        return _ROBOTS if self._robots.refuses(url) else ""

    def _skip(self, url: str, reason: str) -> None:
        self.skipped[url] = reason
        self.kept.add(url)

    def _fail(self, url: str, reason: str, *, is_leaf: bool) -> None:
        self.kept.add(url)
        self.is_whole = self.is_whole and is_leaf  # what it leads to is not known
        self.failed(url, reason)


def _same(document: LoadedDocument) -> LoadedDocument:
    return document


def _none(url: str) -> Mapping[str, str]:
    return {}


def kind_of(answer: WebAnswer) -> str:
    """Returns the media type a page is read as, nothing for what is not read."""
    from yarl import URL

    told = _KINDS.get(answer.kind, answer.kind)
    if told in _UNTOLD:  # the name may know better
        told = MEDIA_TYPES.get(URL(answer.url).suffix.lower(), told or _HTML)
    return told if told in MEDIA_TYPES.values() and told not in SEVERAL_MEDIA_TYPES else ""


def _text(answer: WebAnswer) -> str:
    """Returns the page as text: the charset its server tells counts where it is not UTF-8."""
    from ragpg.reading.decoding import decode

    _, _, charset = answer.headers.get("Content-Type", "").lower().partition("charset=")
    charset = charset.partition(";")[0].strip(" '\"")
    for name in ("utf-8-sig", charset):
        try:
            known = codecs.lookup(name).name
            return answer.body.decode("cp1252" if known == "iso8859-1" else known)
        except (LookupError, UnicodeDecodeError):
            continue
    return decode(answer.body)


def _tags(answer: WebAnswer) -> list[str]:
    return list(getattr(answer.headers, "getall", lambda *_: [])("X-Robots-Tag", []))
