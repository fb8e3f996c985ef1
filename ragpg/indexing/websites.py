"""Web sites and their collection: pages stored as they come, those that vanished deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain

from ragpg.errors import LoadError
from ragpg.indexing.batching import in_batches
from ragpg.indexing.indexer import Indexer
from ragpg.indexing.inputs import Failure, Input, fingerprint
from ragpg.indexing.recipes import ensure_index
from ragpg.indexing.syncing import Sync
from ragpg.indexing.tally import Tally
from ragpg.indexing.writing import Writer, indexed_hashes
from ragpg.reading import LoadedDocument, Skipped, Wanted
from ragpg.reading.web_links import normal_address
from ragpg.reading.website import SitePage, Stored, Visit
from ragpg.session import Session

_HASH = 32  # bytes


def add_sites(
    session: Session,
    collection: str,
    sites: Sequence[str],
    wanted: Wanted,
    recipe: tuple[str, int | None],
    tally: Tally,
    stop: threading.Event,
    max_deleted_share: float | None,
) -> list[Skipped]:
    """Makes the collection hold the sites' pages, and returns what was left out.

    With a share pages that vanished are deleted; TooManyVanished is raised where they are more. A
    site that cannot be read raises LoadError, or has failed where there is more to add.
    """
    skipped: list[Skipped] = []
    for start in sites:
        site = _Site(session, collection, start, wanted, recipe, tally, stop)
        try:
            site.read()
        except LoadError as error:
            if len(sites) == 1 and not tally.total:  # nothing else was asked for
                raise
            tally.fail(Failure(start, str(error)))
            continue
        skipped += [Skipped(url, reason) for url, reason in sorted(site.visit.skipped.items())]
        if max_deleted_share is not None and not stop.is_set():
            for source in site.vanished(max_deleted_share).delete():
                tally.count("deleted", source)
    return skipped


@dataclass(slots=True)
class _Site:
    """A site that is read once."""

    session: Session
    collection: str
    start: str
    wanted: Wanted
    recipe: tuple[str, int | None]
    tally: Tally
    stop: threading.Event
    hashes: dict[str, bytes] = field(init=False)
    reached: set[str] = field(default_factory=set)
    visit: Visit = field(init=False)

    def __post_init__(self) -> None:
        self.start = normal_address(self.start) or self.start
        self.hashes = indexed_hashes(self.session.database, self.collection)
        self.visit = Visit(self.start, self.wanted, self._known, self.stop, self._fail)

    def read(self) -> None:
        """Stores the pages that are new or changed, while the site is walked through."""
        changed = self._changed()
        first = next(changed, None)
        if first is None:
            return
        language, chunk_tokens = self.recipe
        embedder = self.session.embedder
        index = ensure_index(self.session, self.collection, embedder, language, chunk_tokens)
        indexer = Indexer(self.session, index)
        writer = Writer(self.session.database, self.collection, indexer, self.tally, self.stop)
        loaded = writer.load(chain([first], changed))
        for batch in in_batches(loaded, lambda one: len(one.prepared.spans)):
            writer.write(batch)

    def vanished(self, max_share: float) -> Sync:
        """Returns what deletes the pages of this site that surely are gone.

        Which those are was told by their server, or by a walk that saw everything.
        """
        own = [source for source, known in self.hashes.items() if _start_of(known) == self.start]
        kept = self.reached | self.visit.kept
        gone = {one for one in own if one not in kept and self.wanted.passes(one)}
        if not self.visit.is_whole:
            gone &= self.visit.gone
        sync = Sync(self.session.database, self.collection, own, max_share, kept=sorted(kept))
        return replace(sync, kept=[*kept, *(set(sync.vanished()) - gone)])

    def _changed(self) -> Iterator[Input]:
        before = self.tally.total
        for page in self.visit.pages():
            item = self._input(page)
            self.reached.add(page.url)
            self.tally.total = before + self.visit.found
            if page.load is None or self.hashes.get(item.source) == item.source_hash:
                self.tally.unchanged += 1
            else:
                yield item
            self.tally.tell()
        self.tally.total = before + len(self.reached)

    def _input(self, page: SitePage) -> Input:
        def load() -> LoadedDocument:
            if page.load is None:
                raise LoadError(f"{page.url} was not read")
            return page.load()

        return Input(page.url, _hash_of(page.stored, self.start), load)

    def _known(self, url: str) -> Stored | None:
        """Returns what is known of a page from last time, unless it was read otherwise then."""
        raw = self.hashes.get(url, b"")
        told = raw[2 * _HASH :]
        if not told or fingerprint(told) != raw[_HASH : 2 * _HASH]:
            return None
        known = json.loads(told)
        return Stored(known["etag"], known["modified"], raw[:_HASH])

    def _fail(self, url: str, reason: str) -> None:
        self.tally.fail(Failure(url, reason))


def _hash_of(stored: Stored, start: str) -> bytes:
    """Returns a page's hash: of its text, then of what follows and the loader, then that.

    What follows is what the server is asked next time, and which site it is of.
    """
    told = json.dumps({"etag": stored.etag, "modified": stored.modified, "site": start}).encode()
    return stored.text_hash + fingerprint(told) + told


def _start_of(source_hash: bytes) -> str | None:
    """Returns the site a document is of; None for one with a hash of somebody else's making."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(source_hash[2 * _HASH :])["site"])
    return None
