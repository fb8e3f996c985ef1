"""File or bytes -> clean text, title and metadata. Knows no database and no environment."""

from __future__ import annotations

import glob
import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ragpg.decoding import clean_text, decode
from ragpg.errors import LoadError
from ragpg.html_loading import read_html

LOADER_VERSION = "1"
"""Bumped when the same bytes would give another text."""

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".md": "text/markdown",
        ".markdown": "text/markdown",
        ".mdx": "text/markdown",
        ".html": "text/html",
        ".htm": "text/html",
        ".xhtml": "text/html",
        ".txt": "text/plain",
        ".text": "text/plain",
    }
)
SUPPORTED = ".md, .html, .txt"


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document ready to be stored: Postgres and jsonb accept all of it."""

    title: str
    content: str
    media_type: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files to load, as (source, path), and the paths left out."""

    files: tuple[tuple[str, Path], ...]
    skipped: tuple[str, ...]


# Documents -------------------------------------------------------------------------------------


def load_bytes(data: bytes, *, media_type: str, name: str) -> LoadedDocument:
    """Returns the document in the bytes; `name`, a path or URL, gives a title if nothing else."""
    try:
        text = decode(data)
    except LoadError as error:
        raise LoadError(f"{name}: {error}") from error
    return load_text(text, media_type=media_type, name=name)


def load_text(text: str, *, media_type: str = "text/markdown", name: str) -> LoadedDocument:
    """Returns the document in the text; one without text raises LoadError."""
    reader = _READERS.get(media_type)
    if reader is None:
        raise LoadError(f"{media_type} is not read yet; supported: {', '.join(_READERS)}")
    title, content, metadata = reader(clean_text(text))
    if not content.strip():
        raise LoadError(f"{name} holds no text")
    title = " ".join(title.split()) or _stem(name)
    return LoadedDocument(clean_text(title), clean_text(content), media_type, metadata)


def load_path(path: Path) -> LoadedDocument:
    """Returns the document in the file; whatever is wrong with it raises LoadError."""
    media_type = MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        kind = f"{path.suffix} files" if path.suffix else "files without a suffix"
        raise LoadError(f"{path}: {kind} are not read yet; supported: {SUPPORTED}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LoadError(f"{path} cannot be read: {error.strerror or error}") from error
    return load_bytes(data, media_type=media_type, name=path.as_posix())


def _stem(name: str) -> str:
    base = name.rstrip("/").rsplit("/", 1)[-1]
    stem, suffix = os.path.splitext(base)
    return (stem if suffix.lower() in MEDIA_TYPES else base) or name


def _read_plain(text: str) -> tuple[str, str, dict[str, Any]]:
    return "", text, {}


# Markdown --------------------------------------------------------------------------------------

# Block rules only: parsing what is inside paragraphs is most of the time and is not needed.
BLOCKS = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
_INLINES = MarkdownIt("commonmark")
_ATTRIBUTES = re.compile(r"\s*\{\s*[#.:][^{}]*\}\s*$")
_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_MAY_BE_H1 = re.compile(r"^ {0,3}(?:#[ \t].*|=+[ \t]*)$", re.MULTILINE)
_FRONT_MATTER_VALUES = 10_000


def heading_text(source: str) -> str:
    """Returns a heading's Markdown as plain text: no markup, no trailing `{ #anchor }`."""
    tokens = _INLINES.parseInline(_ATTRIBUTES.sub("", source))[0].children or []
    return " ".join("".join(_plain(token) for token in tokens).split())


def _plain(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return " "
    if token.type == "html_inline":
        return ""
    return token.content  # also of an image: its alternative text


def _read_markdown(text: str) -> tuple[str, str, dict[str, Any]]:
    metadata, content = _split_front_matter(text)
    title = metadata.get("title")
    return str(title) if title else _first_h1(content), content, metadata


def _first_h1(text: str) -> str:
    found = _MAY_BE_H1.search(text)
    if found is None:
        return ""
    # Nearly always the first candidate is the heading, and the text up to it is all that is parsed.
    return _h1_in(text[: found.end()]) or _h1_in(text)


def _h1_in(text: str) -> str:
    for token, content in itertools.pairwise(BLOCKS.parse(text)):
        if token.type == "heading_open" and token.tag == "h1" and token.level == 0:
            return heading_text(content.content)
    return ""


def _split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    found = _FRONT_MATTER.match(text)
    if found is None:
        return {}, text
    try:
        # The budget stops aliases of aliases, which are small as YAML and endless as JSON.
        values = _jsonable(yaml.safe_load(found[1]), iter(range(_FRONT_MATTER_VALUES)))
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, StopIteration):
        return {}, text
    if not isinstance(values, dict):
        return {}, text
    return values, text[found.end() :].lstrip("\n")


def _jsonable(value: Any, budget: Iterator[int]) -> Any:
    next(budget)
    if isinstance(value, Mapping):
        return {clean_text(_key(k)): _jsonable(v, budget) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return list(map(_jsonable, value, itertools.repeat(budget)))
    if isinstance(value, date | time):
        return value.isoformat()
    if value is None or isinstance(value, bool | int) or _is_finite(value):
        return value
    return clean_text(decode(value) if isinstance(value, bytes) else str(value))


def _key(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


_READERS: Mapping[str, Callable[[str], tuple[str, str, dict[str, Any]]]] = MappingProxyType(
    {"text/markdown": _read_markdown, "text/html": read_html, "text/plain": _read_plain}
)


# Files -----------------------------------------------------------------------------------------


def find_files(paths: Iterable[str | Path]) -> FoundFiles:
    """Returns the files the arguments name: files, folders (with all below them) and globs.

    A source is the absolute path as the user reaches it, with links kept. Hidden files and folders
    below an argument are left out. What does not exist or matches nothing raises LoadError.
    """
    found: dict[str, Path] = {}
    skipped: set[str] = set()
    for argument in paths:
        for path, is_explicit in _expand(str(argument), skipped):
            if is_explicit or path.suffix.lower() in MEDIA_TYPES:
                found[clean_text(path.as_posix())] = path
            else:
                skipped.add(path.as_posix())
    return FoundFiles(tuple(sorted(found.items())), tuple(sorted(skipped)))


def _expand(argument: str, skipped: set[str]) -> Iterator[tuple[Path, bool]]:
    path = Path(os.path.abspath(argument))
    if path.is_file():
        yield path, True
    elif path.is_dir():
        yield from ((file, False) for file in _walk(path, skipped))
    elif glob.has_magic(argument) and not os.path.lexists(path):
        yield from ((file, False) for file in _match(path, argument, skipped))
    else:
        what = "is neither a file nor a folder" if os.path.lexists(path) else "does not exist"
        raise LoadError(f"{argument} {what}")


def _match(path: Path, pattern: str, skipped: set[str]) -> Iterator[Path]:
    """Yields the files a glob names; a folder it names stands for all below it, as in a shell."""
    parts = path.relative_to(path.anchor).parts
    fixed = sum(1 for _ in itertools.takewhile(lambda part: not glob.has_magic(part), parts))
    root = Path(path.anchor, *parts[:fixed])
    wants_hidden = any(_is_hidden(part) for part in parts[fixed:])
    hits = sorted(root.glob("/".join(parts[fixed:])))
    hits = [h for h in hits if wants_hidden or not any(map(_is_hidden, h.relative_to(root).parts))]
    if not hits:
        raise LoadError(f"{pattern} matches no file")
    for hit in hits:
        if hit.is_dir():
            yield from _walk(hit, skipped)
        else:
            yield hit


def _walk(root: Path, skipped: set[str]) -> Iterator[Path]:
    real_roots = [os.path.realpath(root)]
    walk = os.walk(root, onerror=lambda error: skipped.add(str(error.filename)), followlinks=True)
    for folder, folders, files in walk:
        folders[:] = sorted(
            name for name in folders if not _is_hidden(name) and _leads_on(folder, name, real_roots)
        )
        yield from (Path(folder, name) for name in sorted(files) if not _is_hidden(name))


def _leads_on(folder: str, name: str, real_roots: list[str]) -> bool:
    """Returns whether the folder is new: a link into what is walked anyway, or above it, is not."""
    path = os.path.join(folder, name)
    if not os.path.islink(path):
        return True
    real = os.path.realpath(path)
    if any(os.path.commonpath((real, root)) in (real, root) for root in real_roots):
        return False
    real_roots.append(real)
    return True


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
