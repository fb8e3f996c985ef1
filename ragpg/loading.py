"""File or bytes -> clean text, title and metadata. Knows no database and no environment."""

from __future__ import annotations

import codecs
import glob
import html
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

import charset_normalizer
import yaml
from html_to_markdown import ConversionError, ConversionOptions, convert
from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser, LexborNode

from ragpg.errors import LoadError

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


# Characters ------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """Returns the text without what Postgres refuses or would shift spans.

    NUL and leading byte order marks are gone, line ends are LF, lone surrogates are U+FFFD. All
    other characters stay, U+2028 too. Cleaning twice changes nothing.
    """
    text = text.replace("\0", "").lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"SQLite format 3", "an SQLite database"),
)
_CONTROLS = bytes({*range(32), 127} - {0x09, 0x0A, 0x0C, 0x0D, 0x1B})
_DECLARED_CHARSET = re.compile(
    rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)
_WIDE_ENCODINGS = ["utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "utf_7"]


def decode(data: bytes) -> str:
    """Returns the text in the bytes; binary content raises LoadError with the reason.

    A byte order mark decides, then UTF-8, then the charset an HTML or XML head declares, then the
    best guess.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    _refuse_binary(data)
    for encoding in ("utf-8", _declared_charset(data)):
        text = _decode_strictly(data, encoding)
        if text is not None:
            return text
    return _guess(data)


def _refuse_binary(data: bytes) -> None:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            raise LoadError(f"this is {kind}, not text")
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if controls > 4 + len(data) / 20:  # random bytes have 10 %, text has a stray one
        raise LoadError(
            f"this is binary, not text: {controls} of {len(data)} bytes are control codes"
        )


def _declared_charset(data: bytes) -> str:
    found = _DECLARED_CHARSET.search(data[:2048])
    return (found[1] or found[2]).decode("ascii") if found else ""


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    try:
        # As browsers do: what calls itself Latin-1 is cp1252, with its quotes and dashes.
        name = codecs.lookup(encoding).name
        return data.decode("cp1252" if name == "iso8859-1" else name)
    except (LookupError, UnicodeError):
        return None


def _guess(data: bytes) -> str:
    if len(data.translate(None, bytes(range(128)))) >= 8:  # fewer tell nothing about an encoding
        matches = charset_normalizer.from_bytes(data, cp_exclusion=_WIDE_ENCODINGS)
        best = matches.best()
        if best is None:
            raise LoadError("this is binary, not text: no encoding fits its bytes")
        # Western European text also passes for cp1250 and others; cp1252 is far more common.
        if not any("cp1252" in match.could_be_from_charset for match in matches):
            return str(best)
    text = _decode_strictly(data, "cp1252")
    return text if text is not None else data.decode("latin-1")


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


# HTML ------------------------------------------------------------------------------------------

_BOILERPLATE = ", ".join(
    (
        "script, style, template, noscript, svg, canvas, iframe, object, audio, video, dialog",
        "button, input, select, textarea, datalist",
        "nav, [role=navigation], [role=search], [role=banner], [role=contentinfo]",
        "[aria-hidden=true], [hidden], .navheader, .navfooter, .breadcrumb, .breadcrumbs",
        ".headerlink, .anchor-link, .linenos, .skip-link, annotation, annotation-xml",
    )
)
_PAGE_FRAME = "header, footer, aside"
_CONTENT_PARTS = frozenset({"main", "article", "section", "blockquote"})
# Admonitions are parts of a section: their titles must not begin one.
_ADMONITION_TITLES = ", ".join(
    f"{kind} h{level}"
    for kind in (
        ".note",
        ".tip",
        ".warning",
        ".caution",
        ".important",
        ".admonition",
        "[role=note]",
    )
    for level in range(1, 7)
)
# fmt: off
_INLINE_TAGS = [
    "a", "abbr", "acronym", "b", "big", "bdi", "bdo", "cite", "data", "del", "dfn", "em", "font",
    "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong",
    "sub", "sup", "time", "tt", "u", "var",
]
# fmt: on
_PRE = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
_SPACES = re.compile(r"[ \t\n\f\r]+")
_LINE_BREAK = re.compile(r" ?<br\b[^>]*> ?")
# A definition list (dl) becomes a list whose items begin with their terms: no other Markdown for it
# is read as one block by every parser.
_REWRITTEN_TAGS = (
    (re.compile(r"</dt>\s*<dt\b[^>]*>"), "\n"),
    (re.compile(r"<dl\b[^>]*>"), "<ul>"),
    (re.compile(r"</dl>"), "</ul>"),
    (re.compile(r"<dt\b[^>]*>"), "<li><p>"),
    (re.compile(r"</dt>"), "</p>"),
    (re.compile(r"<dd\b[^>]*>"), "<div>"),
    (re.compile(r"</dd>"), "</div>"),
    # These the converter would set in bold or italics.
    (re.compile(r"<(/?)(?:figcaption|summary)\b[^>]*>"), r"<\1p>"),
)
_OPTIONS = ConversionOptions(
    heading_style="atx",
    bullets="-",
    compact_tables=True,
    extract_metadata=False,
    autolinks=False,
    expand_abbreviations=False,
    include_blockquote_citations=False,
)
_META_NAMES = frozenset({"description", "keywords", "author", "date"})
_META_PREFIXES = ("og:", "article:")


def _read_html(text: str) -> tuple[str, str, dict[str, Any]]:
    page = LexborHTMLParser(text)
    title = _node_text(page.css_first("head title")) or _node_text(page.css_first("h1"))
    metadata = _html_metadata(page)
    main = page.css_first("main, [role=main]")
    if main is not None and main.text(strip=True):
        page = LexborHTMLParser(main.html or "")
    return title, _html_to_markdown(page), metadata


def _node_text(node: LexborNode | None) -> str:
    return " ".join(node.text().split()) if node else ""


def _html_metadata(page: LexborHTMLParser) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for node in page.css("meta[content]"):
        name = (node.attributes.get("name") or node.attributes.get("property") or "").lower()
        value = clean_text((node.attributes.get("content") or "").strip())
        if value and (name in _META_NAMES or name.startswith(_META_PREFIXES)):
            metadata.setdefault(clean_text(name), value)
    language = page.root.attributes.get("lang") if page.root else None
    return {**metadata, "language": clean_text(language)} if language else metadata


def _html_to_markdown(page: LexborHTMLParser) -> str:
    _remove_boilerplate(page)
    _flatten_inline_markup(page)
    source = "".join(
        part if part.startswith("<pre") else _normalise_markup(part)
        for part in _PRE.split(page.html or "")
    )
    try:
        markdown = convert(source, _OPTIONS).content or ""
    except ConversionError as error:
        raise LoadError(f"the HTML cannot be converted: {error}") from error
    # Nested hundreds deep the converter gives up without a word: then the words alone.
    return markdown.strip("\n") if markdown.strip() else page.text(separator="\n", strip=True)


def _remove_boilerplate(page: LexborHTMLParser) -> None:
    for node in page.css(_BOILERPLATE):
        node.decompose()
    for node in page.css(_PAGE_FRAME):
        if not _is_inside_content(node):
            node.decompose()


def _is_inside_content(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None and parent.tag not in _CONTENT_PARTS:
        parent = parent.parent
    return parent is not None


def _flatten_inline_markup(page: LexborHTMLParser) -> None:
    for node in page.css("img"):
        node.replace_with(node.attributes.get("alt") or "")
    for node in page.css(_ADMONITION_TITLES):
        node.replace_with(_paragraph(node.text()))
    for node in page.css("table > caption"):
        table = node.parent
        if table is not None:
            table.insert_before(_paragraph(node.text()))
            node.decompose()
    for node in page.css("code"):
        if node.parent is not None and node.parent.tag != "pre":
            node.unwrap()
    page.unwrap_tags(_INLINE_TAGS)


def _paragraph(text: str) -> LexborNode:
    return LexborHTMLParser(f"<p>{html.escape(text)}</p>").css("p")[0]


def _normalise_markup(source: str) -> str:
    source = _LINE_BREAK.sub("\n", _SPACES.sub(" ", source))
    for pattern, replacement in _REWRITTEN_TAGS:
        source = pattern.sub(replacement, source)
    return source


_READERS: Mapping[str, Callable[[str], tuple[str, str, dict[str, Any]]]] = MappingProxyType(
    {"text/markdown": _read_markdown, "text/html": _read_html, "text/plain": _read_plain}
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
