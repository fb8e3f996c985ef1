"""What vanished from folders vanishes from their collection."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragpg.database import Database
from ragpg.errors import BadArgument, UnknownCollection
from ragpg.indexing import syncing_queries as queries
from ragpg.indexing.inputs import Failure
from ragpg.reading import ALL, FoundFiles, Wanted, clean_text, is_remote
from ragpg.reading.addresses import is_pattern, source_beginning


@dataclass(frozen=True, slots=True)
class Sync:
    """The documents below some paths, and which of them are still there.

    `kept` are sources; what is at or below one of `unread` could not be looked at and stays. What
    lies below one of the `single` web pages is a page by itself.
    Up to `few` documents go whatever their share.
    """

    database: Database
    collection: str
    paths: Sequence[str]
    max_share: float
    few: int = 0
    kept: Sequence[str] = ()
    unread: Sequence[str] = ()
    wanted: Wanted = ALL
    single: Sequence[str] = ()

    def check(self) -> None:
        """Raises TooManyVanished when more would go than may."""
        self._call(dry_run=True)

    def delete(self) -> list[str]:
        """Deletes what vanished and returns the sources; raises TooManyVanished, deleting none."""
        return self._call()

    def vanished(self) -> list[str]:
        """Returns the sources that would be deleted, however many."""
        return replace(self, max_share=1)._call(dry_run=True)

    def but(self, found: FoundFiles, kept: Sequence[str], failures: Iterable[Failure]) -> Sync:
        """Returns it with what was found kept, and what was found but could not be read."""
        left = [
            *(clean_text(one.path) for one in found.skipped),
            *unread(one.source for one in failures),
        ]
        known = replace(self, kept=kept, unread=left)
        return known.but_what_is_on_disk({source for source, _ in found.files})

    def but_what_is_on_disk(self, looked_at: Collection[str] = ()) -> Sync:
        """Returns it with every document kept whose file exists, though nobody looked at it.

        Such as a hidden file, a kind that is not read, or one written a moment ago; and with those
        that are not wanted, of which nobody knows.
        """
        gone = self.vanished()
        there = [
            source
            for source in gone
            if _file_of(source, looked_at) is not None
            or not self.wanted.passes(source)
            or any(
                source.startswith(f"{page.rstrip('/')}/") for page in self.single if page != source
            )
        ]
        return replace(self, unread=[*self.unread, *there])

    def _call(self, *, dry_run: bool = False) -> list[str]:
        try:
            gone: list[str] = self.database.value(
                queries.DELETE_VANISHED,
                collection=self.collection,
                paths=list(self.paths),
                kept=list(self.kept),
                unread=list(self.unread),
                max_share=self.max_share,
                few=self.few,
                dry_run=dry_run,
            )
            return gone
        except UnknownCollection:  # its first documents are still to come
            return []


def source_of(path: str | Path) -> str:
    """Returns the source under which a file is stored, or the one its folder's begin with."""
    if is_remote(path):
        return clean_text(source_beginning(str(path)))
    return clean_text(Path(os.path.abspath(path)).as_posix())


def sync_paths(arguments: Iterable[str | Path]) -> list[str]:
    """Returns the folders and files as the beginnings of sources; raises BadArgument for globs."""
    for argument in arguments:
        told = str(argument)
        is_glob = is_pattern(told) if is_remote(told) else glob.has_magic(told)
        if is_glob and not os.path.lexists(argument):
            raise BadArgument(
                f"{argument} is a pattern, which does not say what should be there: "
                "give folders or files"
            )
    paths = [source_of(argument) for argument in arguments]
    if not paths:
        raise BadArgument("give the folders or files to keep in step with")
    return paths


def unread(failed: Iterable[str]) -> list[str]:
    """Returns what is not known to have vanished when these sources could not be read.

    A broken record may be any of its file's, so the rest of the file stays, too.
    """
    return [one for source in failed for one in (source, source.rpartition("#")[0]) if one]


def _file_of(source: str, looked_at: Collection[str]) -> str | None:
    """Returns the existing file a source belongs to, None when it was looked at or there is none.

    A part's source is that of its file, # and its name.
    """
    parts = source.split("#")
    for count in range(len(parts), 0, -1):
        path = "#".join(parts[:count])
        if os.path.lexists(path):
            return None if path in looked_at else path
    return None
