"""Org mode (orgmode.org/worg/org-syntax.html) to Markdown, line by line: it is that close to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ragpg.reading.result import Reading, markdown_table

_HEADING = re.compile(
    r"(\*+) +(?:(?:TODO|DONE|NEXT|WAITING|HOLD|CANCELL?ED) +)?(?:\[#\w\] +)?(.*?)"
    r"(?:[ \t]+:[\w@#%:]+:)?[ \t]*"
)
_TODO_LINE = re.compile(r"^[ \t]*#\+(?:SEQ_|TYP_)?TODO:(.*)$", re.IGNORECASE | re.MULTILINE)
_KEYWORD = re.compile(r"[ \t]*#\+(\w+)(?:\[[^\]]*\])?:[ \t]*(.*)", re.IGNORECASE)
_BEGIN = re.compile(r"[ \t]*#\+begin_(\w+)(?:[ \t]+(.*))?", re.IGNORECASE)
_DRAWER = re.compile(r"[ \t]*:[\w-]+:[ \t]*")
_END = re.compile(r"[ \t]*:end:[ \t]*", re.IGNORECASE)
_PLANNING = re.compile(r"[ \t]*(?:(?:SCHEDULED|DEADLINE|CLOSED): *[<\[][^>\]]*[>\]] *)+")
_ITEM = re.compile(r"([ \t]*)(?:([-+])|(\d+|[a-zA-Z])[.)]|(?<=[ \t])(\*))(?:[ \t]+(.*))?")
_CHECKBOX = re.compile(r"(?:\[@\w+\] +)?(?:\[([ xX-])\] +)?(?:(.*?) ::(?: +|$))?(.*)")
_TABLE_RULE = re.compile(r"[ \t]*\|[-+|]+[ \t]*")
_LINK = re.compile(r"\[\[([^\[\]]+)\](?:\[((?:[^\[\]]|\[[^\[\]]*\])+)\])?\]")
_PICTURE = re.compile(r"(?:file:|\./|/).*\.(?:png|jpe?g|gif|svg|webp|tiff?|bmp)", re.IGNORECASE)
_TARGET = re.compile(r"<<<?([^<>\n]+)>?>>")
_FOOTNOTE = re.compile(r"\[fn:([\w-]*):\s*([^\[\]]+)\]")
_NOTE = re.compile(r"\[fn:([\w-]+)\]")
# What Org marks and the letters that may stand around it; =verbatim= and ~code~ hold no other.
_MARKED = re.compile(
    r"(?<![^\s\-({'\"])([=~*/+_])(?=\S)((?:(?!\1).)*?[^\s\1]|[^\s])\1(?=[\s\-.,;:!?'\")}\[]|$)"
)
_MARKS = {"=": "`", "~": "`", "*": "**", "/": "*", "+": "~~", "_": ""}
_METADATA = {"author": "author", "date": "date", "language": "language", "email": "email",
             "description": "description", "keywords": "keywords"}  # fmt: skip
_TAGS = ("filetags", "tags")
_VERBATIM = {"src", "example", "comment", "export", "verse"}


def read_org(text: str) -> Reading:
    """Returns the document as Markdown; drawers, comments and what is planned are left out."""
    converter = _Converter(text)
    content = "\n".join(converter.lines())
    return Reading(converter.title, content.strip("\n"), converter.metadata)


class _Converter:
    def __init__(self, text: str) -> None:
        self.title = ""
        self.metadata: dict[str, Any] = {}
        self._lines = text.split("\n")
        self._at = 0
        self._missing: set[re.Pattern[str]] = set()  # ends that come no more
        own = [word.split("(")[0] for one in _TODO_LINE.findall(text) for word in one.split()]
        self._states = {word for word in own if word != "|"}

    def lines(self) -> Iterator[str]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            yield from self._line(line)

    def _line(self, line: str) -> Iterator[str]:
        if begin := _BEGIN.fullmatch(line):
            yield from self._block(begin[1].lower(), begin[2] or "")
        elif keyword := _KEYWORD.fullmatch(line):
            yield from self._keyword(keyword[1].lower(), keyword[2].strip())
        elif heading := _HEADING.fullmatch(line):
            yield f"{'#' * min(len(heading[1]), 6)} {_inline(self._without_state(heading[2]))}"
        elif _DRAWER.fullmatch(line) and not _END.fullmatch(line):
            yield from self._drawer(line)
        elif line.lstrip().startswith("|"):
            yield from self._table(line)
        elif line.lstrip().startswith(": ") or line.strip() == ":":
            yield from self._fixed(line)
        elif line.lstrip().startswith("# ") or line.strip() == "#" or _PLANNING.fullmatch(line):
            return
        elif re.fullmatch(r"[ \t]*-{5,}[ \t]*", line):
            yield "\n---\n"  # below a line of text it would make that a heading
        elif item := _ITEM.fullmatch(line):
            yield self._item(item)
        else:
            yield _inline(line)

    def _without_state(self, heading: str) -> str:
        first, _, rest = heading.partition(" ")
        return rest.strip() if first in self._states else heading

    def _keyword(self, name: str, value: str) -> Iterator[str]:
        if name == "title":
            self.title = f"{self.title} {_plain(value)}".strip()
        elif name in _TAGS:
            tags = [one for one in re.split(r"[:\s]+", value) if one]
            self.metadata["tags"] = [*self.metadata.get("tags", []), *tags]
        elif name in _METADATA and value:
            known = self.metadata.get(_METADATA[name])
            text = value.strip("<>[]") if name == "date" else value
            self.metadata[_METADATA[name]] = f"{known} {text}" if known else text
        elif name == "caption":
            yield f"{_inline(value)}\n"

    def _until(self, is_end: re.Pattern[str]) -> list[str] | None:
        """Returns the lines up to the one that ends the block, None where none does."""
        for end in range(self._at, 0 if is_end in self._missing else len(self._lines)):
            if is_end.fullmatch(self._lines[end]):
                found, self._at = self._lines[self._at : end], end + 1
                return found
        self._missing.add(is_end)
        return None

    def _block(self, kind: str, rest: str) -> Iterator[str]:
        if kind not in _VERBATIM:  # quotes, centred and special blocks are text
            end = re.compile(rf"[ \t]*#\+end_{re.escape(kind)}[ \t]*", re.IGNORECASE)
            body = self._until(end)
            if body is not None:
                yield from self._quote(body, "> " if kind == "quote" else "")
            return
        body = self._until(re.compile(rf"[ \t]*#\+end_{kind}[ \t]*", re.IGNORECASE))
        if body is None or kind == "comment":
            return
        margin = min((len(one) - len(one.lstrip()) for one in body if one.strip()), default=0)
        code = [re.sub(r"^,(?=\*|#\+|,)", "", one[margin:]) for one in body]
        yield from _fenced(code, rest.split(" ")[0] if kind == "src" else "")

    def _quote(self, body: list[str], mark: str) -> Iterator[str]:
        inner = _Converter("")
        inner._lines, inner._states = body, self._states
        yield from (mark + line if mark else line for line in inner.lines())

    def _drawer(self, line: str) -> Iterator[str]:
        if self._until(_END) is None:
            yield _inline(line)

    def _table(self, line: str) -> Iterator[str]:
        rows = [line]
        while self._at < len(self._lines) and self._lines[self._at].lstrip().startswith("|"):
            rows.append(self._lines[self._at])
            self._at += 1
        cells = [
            [_inline(cell.strip()) for cell in one.strip().strip("|").split("|")]
            for one in rows
            if not _TABLE_RULE.fullmatch(one)
        ]
        yield from ("", *markdown_table(cells).split("\n"), "")

    def _fixed(self, line: str) -> Iterator[str]:
        code = [line]
        while self._at < len(self._lines) and re.match(r"[ \t]*:(?: |$)", self._lines[self._at]):
            code.append(self._lines[self._at])
            self._at += 1
        yield from _fenced([one.lstrip()[2:] for one in code], "")

    def _item(self, found: re.Match[str]) -> str:
        indent, number = found[1].expandtabs(8), found[3]
        parts = _CHECKBOX.fullmatch(found[5] or "")
        assert parts is not None
        box = {None: "", " ": "[ ] ", "-": "[ ] "}.get(parts[1], "[x] ")
        term = f"{_inline(parts[2])}: " if parts[2] else ""
        mark = f"{number}." if number and number.isdecimal() else "-"
        return f"{indent}{mark} {box}{term}{_inline(parts[3])}".rstrip()


def _fenced(code: list[str], language: str) -> Iterator[str]:
    longest = max((len(one) for one in re.findall("`{3,}", "\n".join(code))), default=2)
    fence = "`" * (longest + 1)
    yield from ("", fence + language, *code, fence, "")


def _inline(text: str) -> str:
    """Returns a line's marks, links and notes as Markdown's; code is left as it is."""
    text = _LINK.sub(_link, text)
    text = _NOTE.sub(r"[^\1]", _FOOTNOTE.sub(r"[\2]", text))
    text = re.sub(r"^\[\^([\w-]+)\]", r"[^\1]:", text)
    return _MARKED.sub(_mark, _TARGET.sub(r"\1", text))


def _mark(found: re.Match[str]) -> str:
    mark = _MARKS[found[1]]
    inner = found[2] if mark == "`" else _MARKED.sub(_mark, found[2])
    return f"{mark}{inner}{mark}"


def _link(found: re.Match[str]) -> str:
    target, shown = found[1], found[2]
    if shown is None and _PICTURE.fullmatch(target):
        return ""
    return shown or target.removeprefix("file:").removeprefix("*")


def _plain(text: str) -> str:
    return re.sub(r"[*`~]+", "", _inline(text))
