"""Files, folders and globs -> the files to load, each once, under its absolute path."""

from __future__ import annotations

import glob
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ragpg.errors import LoadError
from ragpg.reading.addresses import find_remote, is_remote
from ragpg.reading.decoding import clean_text
from ragpg.reading.media_types import MEDIA_TYPES, PICTURE_MEDIA_TYPES
from ragpg.reading.ocr_setting import ocr_is_wanted
from ragpg.reading.remote import RemoteFile
from ragpg.reading.wanted import ALL, Wanted


@dataclass(frozen=True, slots=True)
class Skipped:
    """A path that is left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files to load, as (source, path), and what was left out."""

    files: tuple[tuple[str, Path | RemoteFile], ...]
    skipped: tuple[Skipped, ...]


def find_files(arguments: Iterable[str | Path], wanted: Wanted = ALL) -> FoundFiles:
    """Returns the wanted files the arguments name: files, folders (all below them) and globs.

    An address is asked which files it names (`ragpg.reading.addresses`). A source is that, or
    the absolute path as the user reaches it, with links kept. Hidden files and folders
    below an argument are left out without a word; links that lead out of it (name where they lead,
    too), pipes, sockets and devices are `skipped`. What does not exist or matches nothing raises
    LoadError.
    """
    found: dict[str, Path | RemoteFile] = {}
    skipped: dict[str, str] = {}
    for argument in map(str, arguments):
        if not argument.strip():
            raise LoadError("a path is empty: the current folder is .")
        named: Path | RemoteFile | None = None
        paths: Iterable[Path | RemoteFile]
        if is_remote(argument):
            paths = files = find_remote(argument, skipped)
            is_named = files[0].url == argument or argument.endswith(f":/{files[0].path}")
            named = files[0] if is_named else None
        else:
            named = Path(os.path.abspath(argument))
            paths = _found(named, argument, skipped)
        for path in paths:
            if not wanted.passes(clean_text(path.as_posix())):
                continue
            kind = MEDIA_TYPES.get(path.suffix.lower())
            if path is not named and kind in PICTURE_MEDIA_TYPES and not ocr_is_wanted():
                skipped[path.as_posix()] = "a picture: with RAGPG_OCR=1 its text is recognised"
            elif path is named or kind:
                found[clean_text(path.as_posix())] = path
            else:
                suffix = path.suffix or "no suffix"
                skipped[path.as_posix()] = f"a kind that is not read ({suffix})"
    left_out = (Skipped(*one) for one in sorted(skipped.items()))
    return FoundFiles(tuple(sorted(found.items())), tuple(left_out))


def _found(path: Path, argument: str, skipped: dict[str, str]) -> Iterable[Path]:
    try:
        return list(_expand(path, argument, skipped))
    except (OSError, ValueError) as error:  # a name too long, with U+0000, or an odd pattern
        told = getattr(error, "strerror", None) or str(error)
        raise LoadError(f"{argument[:80]!r} names no file: {told}") from error


def _expand(path: Path, argument: str, skipped: dict[str, str]) -> Iterable[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return _walk(path, skipped)
    if glob.has_magic(argument) and not os.path.lexists(path):
        return _match(path, argument, skipped)
    if not os.path.lexists(path):
        raise LoadError(f"{argument} does not exist")
    raise LoadError(f"{argument} is neither a file nor a folder: it is {odd_kind(path)}")


def _match(path: Path, pattern: str, skipped: dict[str, str]) -> Iterator[Path]:
    """Yields the files a glob names; a folder it names stands for all below it, as in a shell."""
    parts = path.relative_to(path.anchor).parts
    fixed = sum(1 for _ in itertools.takewhile(lambda part: not glob.has_magic(part), parts))
    root = Path(path.anchor, *parts[:fixed])
    hits = sorted(root.glob("/".join(parts[fixed:])))
    if not any(map(_is_hidden, parts[fixed:])):
        hits = [hit for hit in hits if not any(map(_is_hidden, hit.relative_to(root).parts))]
    if not hits:
        raise LoadError(f"{pattern} matches no file")
    for hit in hits:
        if _is_left_out(hit, root, skipped):
            continue
        yield from _walk(hit, skipped) if hit.is_dir() else [hit]


def _walk(root: Path, skipped: dict[str, str]) -> Iterator[Path]:
    # A folder that is a link is not walked: it is either walked anyway, or leads out.
    def unlisted(error: OSError) -> None:
        skipped[str(error.filename)] = f"a folder that cannot be listed: {error.strerror}"

    for folder, folders, files in os.walk(root, onerror=unlisted):
        for name in folders:
            if not _is_hidden(name):
                _leads_out(Path(folder, name), root, skipped)
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for path in (Path(folder, name) for name in sorted(files) if not _is_hidden(name)):
            if not _is_left_out(path, root, skipped):
                yield path


def _is_left_out(path: Path, root: Path, skipped: dict[str, str]) -> bool:
    """Returns whether it is no file that is read: then it is told."""
    if _leads_out(path, root, skipped):
        return True
    if kind := odd_kind(path):
        skipped[path.as_posix()] = kind
    return bool(kind)


def odd_kind(path: Path) -> str | None:
    """Returns what it is that is neither a file nor a folder: reading a pipe may never end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"a link that leads nowhere: {error.strerror}" if path.is_symlink() else None
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    return kinds.get(stat.S_IFMT(mode), "a device")


def _leads_out(path: Path, root: Path, skipped: dict[str, str]) -> bool:
    """Returns whether a link leads out of the root, to what nobody named: then it is told.

    In a folder of somebody else's it may lead to a secret of the reader's.
    """
    leads_out = path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(root)
    )
    if leads_out:
        skipped[path.as_posix()] = "a link that leads out of the folder: name where it leads, too"
    return leads_out


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
