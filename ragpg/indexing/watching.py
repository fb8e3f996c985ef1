"""Folders are watched, and their collection follows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import watchfiles

from ragpg.errors import BadArgument, LoadError, RagpgError, TooManyVanished
from ragpg.indexing.adding import add
from ragpg.indexing.syncing import Sync, source_of, sync_paths
from ragpg.indexing.tally import AddProgress, AddReport, Outcome
from ragpg.reading import MEDIA_TYPES, Wanted, is_remote
from ragpg.session import Session

# A file is read when nothing has changed for so long, or the first change is so long ago.
_QUIET_MS, _LONGEST_MS = 300, 3000
_TICK_MS = 500
# So many vanished files are believed at once; more are checked against all of the folders.
_FEW = 10
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a document; waiting: nothing could be done, and it will be tried again."""

    outcome: Literal["added", "updated", "deleted", "failed", "slow", "waiting"]
    source: str
    reason: str = ""


def watch(
    session: Session,
    collection: str,
    paths: str | Path | Sequence[str | Path],
    stop: threading.Event | None,
    on_change: Callable[[Change], None] | None,
    on_ready: Callable[[AddReport], None] | None,
    sync: bool,
    max_deleted_share: float,
    progress: AddProgress | None,
    options: dict[str, Any],
) -> None:
    """Keeps a collection in step with folders and files: `Collection.watch`."""
    given = [paths] if isinstance(paths, (str, Path)) else paths
    for address in filter(is_remote, given):
        raise BadArgument(f"{address} is not watched, as files are: add it again, by cron say")
    patterns = {name: options.pop(name, ()) for name in ("include", "exclude")}
    FolderWatch(
        session,
        collection,
        given,
        stop or threading.Event(),
        on_change or (lambda change: None),
        on_ready or (lambda report: None),
        sync,
        max_deleted_share,
        progress,
        {**options, "wanted": Wanted.of(**patterns)},
    ).run()


@dataclass(slots=True)
class FolderWatch:
    """Keeps a collection in step with folders and files until `stop` is set.

    `on_change` hears of each document, `on_ready` of the first pass. `options` are `add`'s
    language, chunk_tokens and wanted.
    """

    session: Session
    collection: str
    paths: Sequence[str | Path]
    stop: threading.Event
    on_change: Callable[[Change], None]
    on_ready: Callable[[AddReport], None]
    sync: bool
    max_deleted_share: float
    progress: AddProgress | None
    options: dict[str, Any]
    _pending: set[str] = field(default_factory=set)
    _pause: float = 1.0
    _not_before: float = 0.0
    _last_trouble: str = ""

    def run(self) -> None:
        """Makes the first pass and follows the changes; errors of the first pass are raised."""
        sync_paths(self.paths)  # raises for patterns
        roots = [Path(os.path.abspath(path)) for path in self.paths]
        folders = _folders(roots)
        self._follow(folders, roots, self._first_pass)
        while not self.stop.is_set():  # a folder was removed or replaced
            try:
                self._follow(folders, roots, lambda: self._pending.update(map(str, roots)))
            except LoadError as error:
                self._trouble(f"{error}; nothing is deleted")
                self.stop.wait(1)

    def _first_pass(self) -> None:
        self.on_ready(self._add(self.paths, sync=self.sync, progress=self.progress))

    def _add(self, paths: Sequence[str | Path], **options: Any) -> AddReport:
        return add(
            self.session,
            self.collection,
            paths,
            max_deleted_share=self.max_deleted_share,
            stop=self.stop,
            **self.options,
            **options,
        )

    def _follow(self, folders: list[Path], roots: list[Path], begin: Callable[[], None]) -> None:
        """Begins, then handles changes until `stop` is set or a watched folder is another one."""
        identity = _identity(folders)
        changes = _changes(folders, self.stop)
        try:
            next(changes, None)  # from here on nothing is missed
            begin()
            for changed in changes:
                if _are_others(folders, identity):
                    return
                self._pending.update(path for path in changed if _is_wanted(Path(path), roots))
                if self._pending and time.monotonic() >= self._not_before:
                    self._try(roots)
        finally:
            changes.close()

    def _try(self, roots: list[Path]) -> None:
        paths = sorted(self._pending)
        try:
            self._handle([Path(path) for path in paths], roots)
        except LoadError:  # a file went while it was looked at: look again
            return
        except RagpgError as error:  # such as a lost connection
            self._not_before = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            self._trouble(str(error))
            return
        self._pending.clear()
        self._pause, self._last_trouble = 1.0, ""

    def _handle(self, paths: list[Path], roots: list[Path]) -> None:
        """Adds the files that are there and deletes those that are not."""
        there = [path for path in paths if path.is_dir() or _is_read(path, roots)]
        gone = [path for path in paths if not os.path.lexists(path)]
        if there:
            self._update(there)
        if gone:
            self._delete(gone)

    def _update(self, paths: Sequence[str | Path]) -> None:
        """Adds files; parts of them that went are deleted unless these are too many."""

        def tell(outcome: Outcome, source: str, reason: str) -> None:
            self.on_change(Change(outcome, source, reason))

        try:
            self._add(paths, sync=True, few=_FEW, on_outcome=tell)
        except TooManyVanished as error:
            self._add(paths, sync=False, few=_FEW, on_outcome=tell)
            self.on_change(Change("failed", source_of(paths[0]), str(error)))

    def _delete(self, gone: list[Path]) -> None:
        sources = [source_of(path) for path in gone]
        sync = Sync(
            self.session.database,
            self.collection,
            sources,
            max_share=self.max_deleted_share,
            few=_FEW,
        ).but_what_is_on_disk()
        try:
            for source in sync.delete():
                self.on_change(Change("deleted", source))
        except TooManyVanished:  # of these files all are gone: which share is it of the folders?
            self._update([path for path in self.paths if os.path.lexists(path)])

    def _trouble(self, reason: str) -> None:
        """Tells why nothing can be done, once for as long as it lasts."""
        if reason != self._last_trouble:
            self.on_change(Change("waiting", "", reason))
        self._last_trouble = reason


def _changes(folders: list[Path], stop: threading.Event) -> Generator[set[str], None, None]:
    """Yields the paths that changed, at least every half second, under the folders' own names."""
    real = {os.path.realpath(folder): str(folder) for folder in folders}
    batches = watchfiles.watch(
        *folders,
        watch_filter=None,
        debounce=_LONGEST_MS,
        step=_QUIET_MS,
        stop_event=stop,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    try:
        for batch in batches:
            yield {_under(path, real) for _, path in batch}
    except OSError as error:  # such as too many folders for the system
        raise LoadError(
            f"the folders cannot be watched ({error}): WATCHFILES_FORCE_POLLING=true polls them"
        ) from error


def _under(path: str, real: dict[str, str]) -> str:
    """Returns the path as the user names it: some systems report it with links resolved."""
    for resolved, given in real.items():
        if path != given and not path.startswith(f"{given}/") and path.startswith(f"{resolved}/"):
            return given + path.removeprefix(resolved)
    return path


def _is_wanted(path: Path, roots: Iterable[Path]) -> bool:
    """Returns whether the path is given, or below a given folder with nothing hidden between."""
    for root in roots:
        if path == root:
            return True
        if path.is_relative_to(root):
            return not any(part.startswith(".") for part in path.relative_to(root).parts)
    return False


def _is_read(path: Path, roots: Iterable[Path]) -> bool:
    return path.is_file() and (path.suffix.lower() in MEDIA_TYPES or path in roots)


def _folders(roots: Iterable[Path]) -> list[Path]:
    """Returns the folders to watch: of a file its own, as editors replace files."""
    for root in roots:
        if not root.exists():
            raise LoadError(f"{root} does not exist")
    return sorted({root if root.is_dir() else root.parent for root in roots})


def _identity(folders: Iterable[Path]) -> list[tuple[int, int]]:
    """Returns which folders these are; raises LoadError when one is not there."""
    try:
        return [(state.st_dev, state.st_ino) for state in (one.stat() for one in folders)]
    except OSError as error:
        raise LoadError(f"{error.filename} cannot be watched: {error.strerror}") from error


def _are_others(folders: Iterable[Path], identity: list[tuple[int, int]]) -> bool:
    try:
        return _identity(folders) != identity
    except LoadError:
        return True
