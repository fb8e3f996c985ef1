"""Rich Text Format 1.9 to Markdown; the HTML that Outlook packs into it is unpacked.

Read here, as the libraries for it give no headings, drop footnotes and show what is hidden.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ragpg.errors import LoadError
from ragpg.reading.html import read_html
from ragpg.reading.result import Block, Reading, blocks_markdown, markdown_table

_TOKEN = re.compile(
    r"\\(?:([a-zA-Z]{1,32})(-?\d{1,10})? ?|'([0-9a-fA-F]{2})|([^a-zA-Z']))|([{}])|([^\\{}\r\n]+)"
)
_MARK = re.compile(r"[\\{}]")
_CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "big5",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
    204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
_CODE_PAGES = {
    65001: "utf-8", 1200: "utf-8", 10000: "mac_roman", 936: "gbk", 54936: "gb18030",
    20866: "koi8-r", 21866: "koi8-u", 20127: "cp1252", 50220: "iso2022_jp", 51932: "euc_jp",
    51949: "euc_kr", 708: "iso8859_6", 28591: "cp1252",
    **{28590 + n: f"iso8859_{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 13, 15)},
}  # fmt: skip
_LETTERS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "emdash": "\u2014", "endash": "\u2013",
    "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019",
    "ldblquote": "\u201c", "rdblquote": "\u201d",
    "emspace": " ", "enspace": " ", "qmspace": " ", "nestcell": " ", "nestrow": " ",
}  # fmt: skip
_SYMBOLS = {"~": "\u00a0", "_": "\u2011", "\\": "\\", "{": "{", "}": "}", "-": ""}
_PARAGRAPH_ENDS = frozenset({"par", "sect", "page", "column", "\n", "\r"})
# Destinations that hold no text of the document; so does each that is starred and not shown.
_SKIPPED = frozenset({
    "colortbl", "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr",
    "footerf", "pict", "sp", "shprslt", "nonesttables", "annotation", "atnid", "atnauthor",
    "objdata", "upr", "xe", "tc", "txe", "rxe", "pntxta", "pntxtb", "mmathPict", "private",
})  # fmt: skip
_SHOWN = frozenset({"shpinst", "do", "ud", "moMath", "moMathPara"})
_IN_INFO = frozenset({"title", "author", "subject", "keywords", "creatim", "revtim"})
_NAMED = _IN_INFO | {
    "fonttbl", "stylesheet", "listtext", "pntext", "footnote", "htmltag", "info", "shptxt",
    "dptxbxtext",
}  # fmt: skip
_DATES = {"creatim": "created", "revtim": "modified"}
_BULLET = re.compile(r"\W*|o")  # any sign, in whatever font
_HEADING = re.compile(r"(?:heading|überschrift|titre|titolo|título|rubrik|kop) ([1-9])", re.I)
_BODY_LEVEL = 9  # an outline level that says the paragraph is no heading


@dataclass(slots=True)
class _Group:
    """What holds until a group ends."""

    into: str = ""  # the destination; "skip" for what is not shown
    skipped: int = 1  # characters that stand for one in Unicode
    encoding: str = ""  # of the font; that of the document where it has none
    is_hidden: bool = False
    is_deleted: bool = False
    is_rtf_only: bool = False  # not of the HTML
    style: int = 0
    level: int = _BODY_LEVEL
    depth: int = 0  # of a list's item
    in_table: bool = False
    starts: int = 0  # where the text of a destination starts


def read_rtf(data: bytes) -> Reading:
    """Returns the document; one that does not begin as Rich Text raises LoadError."""
    if not data.lstrip().startswith(b"{\\rtf"):
        raise LoadError("it is no Rich Text document: it does not begin with {\\rtf")
    return _Reader().read(data.decode("latin-1"))


def packed_html(data: bytes) -> str:
    """Returns the HTML that Outlook packed into Rich Text ([MS-OXRTFEX]), "" where it is none."""
    reader = _Reader()
    reader.read(data.decode("latin-1"))
    return reader.html


class _Reader:
    def __init__(self) -> None:
        self._encoding, self._is_html = "cp1252", False
        self._default_font = self._font = 0
        self._fonts: dict[int, str] = {}
        self._styles: dict[int, str] = {}
        self._style_levels: dict[int, int] = {}
        self._told: dict[str, str] = {}
        self._day: dict[str, int] = {}
        self._group, self._outer = _Group(), list[_Group]()
        self._bytes = bytearray()  # not decoded yet
        self._text: list[str] = []  # of the paragraph or cell
        self._row: list[str] = []
        self._rows: list[list[str]] = []
        self._marker = ""
        self._skip = 0
        self._blocks: list[Block] = []
        self._notes: list[str] = []

    @property
    def html(self) -> str:
        return "".join(self._text) if self._is_html else ""

    def read(self, text: str) -> Reading:
        at = 0
        while found := _TOKEN.search(text, at):
            at = found.end()
            word, number, code, symbol, brace, plain = found.groups()
            if word == "bin":  # so many bytes of a picture, whatever they look like
                at += max(int(number or 0), 0)
            elif self._skip and not brace and not word:
                at = self._skip_one(found, at)
            elif plain and self._group.into == "skip":  # the digits of a picture
                mark = _MARK.search(text, at)
                at = mark.start() if mark else len(text)
            elif plain or code:
                self._bytes += bytes([int(code, 16)]) if code else plain.encode("latin-1")
            else:
                self._flush()
                if brace:
                    self._brace(brace)
                elif word:
                    self._skip = 0  # some programs leave the other letter out
                    self._word(word, int(number) if number else None)
                else:
                    self._symbol(symbol)
        self._flush()
        return self._reading()

    def _reading(self) -> Reading:
        if self._is_html:
            page = read_html(self.html)
            return Reading(page.title or self._told.get("title", ""), page.content)
        self._end_paragraph()
        self._end_table()
        notes = (Block(f"[^{n}]: {text}") for n, text in enumerate(self._notes, 1))
        title = self._told.pop("title", "")
        metadata = {key: value for key, value in self._told.items() if value}
        return Reading(title, blocks_markdown([*self._blocks, *notes]), dict(metadata))

    # Letters -----------------------------------------------------------------------------------

    def _skip_one(self, found: re.Match[str], at: int) -> int:
        """Leaves out a letter that only programs without Unicode show; returns what comes next."""
        plain = found[6]
        if plain is None:
            self._skip -= 1
            return at
        left = min(self._skip, len(plain))
        self._skip -= left
        return found.start() + left

    def _flush(self) -> None:
        """Decodes what was collected: a letter of some encodings is several bytes."""
        if self._bytes:
            data, self._bytes = bytes(self._bytes), bytearray()
            if self._group.into != "skip":
                encoding = self._group.encoding or self._encoding
                self._write(data.decode(encoding, "replace"))

    def _write(self, text: str) -> None:
        group = self._group
        is_left_out = group.is_rtf_only if self._is_html else group.is_hidden or group.is_deleted
        if group.into != "skip" and not (is_left_out and group.into != "htmltag"):
            self._text.append(text)

    def _symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._group.into = "skip" if self._group.into == "skip" else "*"
        elif symbol in _PARAGRAPH_ENDS:
            self._word("par", None)
        else:
            self._write(_SYMBOLS.get(symbol, ""))

    # Groups ------------------------------------------------------------------------------------

    def _brace(self, brace: str) -> None:
        self._skip = 0
        if brace == "{":
            self._outer.append(self._group)
            self._group = replace(self._group)
        elif self._outer:
            ended, self._group = self._group, self._outer.pop()
            self._end_of(ended)

    def _enter(self, name: str) -> None:
        """Begins a destination."""
        group = self._group
        if name in _NAMED and group.into != "skip" and (name != "htmltag" or self._is_html):
            group.into, group.starts = name, len(self._text)
        elif name in _SHOWN:
            group.into = self._outer[-1].into if self._outer else ""
        else:
            group.into = "skip"

    def _end_of(self, ended: _Group) -> None:
        name = ended.into
        if name == "stylesheet":
            self._end_style(ended)
        elif name in ("fonttbl", "info"):
            del self._text[ended.starts :]
        elif name in _DATES:
            if self._day.get("yr"):
                year, month, day = (self._day.get(one, 1) for one in ("yr", "mo", "dy"))
                self._told[_DATES[name]] = f"{year:04}-{month:02}-{day:02}"
            self._day = {}
        elif name in _NAMED and name != "htmltag" and self._group.into != name:
            words = _joined(self._text[ended.starts :])
            del self._text[ended.starts :]
            self._end_named(name, words)

    def _end_named(self, name: str, words: str) -> None:
        if name in ("listtext", "pntext"):
            self._marker = words
        elif name == "footnote":
            self._notes.append(" ".join(words.split()))
            self._text.append(f"[^{len(self._notes)}]")
        elif name in _IN_INFO:
            self._told[name] = words
        elif words:  # of a text box
            if not self._row:
                self._end_table()
            self._blocks += map(Block, words.split("\n"))

    def _end_style(self, ended: _Group) -> None:
        name = _joined(self._text[ended.starts :]).rstrip(";")
        del self._text[ended.starts :]
        heading = _HEADING.fullmatch(name)
        self._styles[ended.style] = name.lower()
        self._style_levels[ended.style] = int(heading[1]) - 1 if heading else ended.level

    # Control words -----------------------------------------------------------------------------

    def _word(self, word: str, number: int | None) -> None:
        group = self._group
        is_named = word in _NAMED and (word not in _IN_INFO or group.into == "info")
        if group.into == "*" or word in _SKIPPED or is_named:
            self._enter(word)
        elif group.into == "skip":
            if word == "ud":
                group.into = self._outer[-2].into if len(self._outer) > 1 else ""
        elif word == "u":
            self._write(chr((number or 0) % 0x10000))
            self._skip = group.skipped
        elif word in _LETTERS:
            self._write(_LETTERS[word])
        elif word in _PARAGRAPH_ENDS or word in ("cell", "row"):
            self._end(word)
        elif not self._paragraph_word(word, number):
            self._character_word(word, number)

    def _paragraph_word(self, word: str, number: int | None) -> bool:
        group = self._group
        if word in ("pard", "sectd"):
            group.style, group.level, group.depth, group.in_table = 0, _BODY_LEVEL, 0, False
        elif word == "s":
            group.style, group.level = number or 0, self._style_levels.get(number or 0, _BODY_LEVEL)
            group.starts = len(self._text) if group.into == "stylesheet" else group.starts
        elif word == "outlinelevel":
            group.level = number or 0
        elif word == "ilvl":
            group.depth = max(number or 0, 0)
        elif word == "intbl":
            group.in_table = True
        elif word in ("yr", "mo", "dy"):
            self._day[word] = max(number or 0, 0)
        else:
            return False
        return True

    def _character_word(self, word: str, number: int | None) -> None:
        group = self._group
        if word == "uc":
            group.skipped = max(number or 0, 0)
        elif word == "plain":
            group.is_hidden = group.is_deleted = False
            group.encoding = self._fonts.get(self._default_font, "")
        elif word == "v":
            group.is_hidden = number != 0
        elif word == "deleted":
            group.is_deleted = number != 0
        elif word == "htmlrtf":
            group.is_rtf_only = number != 0
        elif word == "fromhtml":
            self._is_html = True
        elif word == "f":
            self._font = number or 0
            group.encoding = self._fonts.get(number or 0, "")
        elif word == "fcharset":
            self._fonts[self._font] = _CHARSETS.get(number or 0, "")
        elif word == "deff":
            self._default_font = number or 0
        elif word in ("ansicpg", "mac", "pc", "pca"):
            named = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
            self._encoding = named.get(word) or code_page(number or 0)

    # Paragraphs and tables ---------------------------------------------------------------------

    def _end(self, word: str) -> None:
        if self._is_html or self._group.into in _NAMED:
            self._write("\n")
        elif word == "cell":
            self._row.append(self._take_text())
        elif word == "row":
            self._rows.append(self._row)
            self._row = []
        elif self._group.in_table:
            self._text.append("\n")
        else:
            self._end_paragraph()

    def _take_text(self) -> str:
        text, self._text = _joined(self._text), []
        marker, self._marker = self._marker, ""
        return f"{marker} {text}" if marker and text else text

    def _end_paragraph(self) -> None:
        marker, self._marker = self._marker, ""
        text = self._take_text()
        if not text:
            return
        self._end_table()
        group = self._group
        is_title = self._styles.get(group.style) in ("title", "titel", "titre")
        if is_title and "title" not in self._told:
            self._told["title"] = text
        if group.level < _BODY_LEVEL or is_title:
            level = 1 if is_title else min(group.level + 1, 6)
            number = f"{marker} " if not _BULLET.fullmatch(marker) else ""
            self._blocks.append(Block(f"{'#' * level} {number}{text}", "heading"))
        elif marker:
            sign = "-" if _BULLET.fullmatch(marker) else marker
            self._blocks.append(Block(f"{sign} {text}", "item", group.depth))
        else:
            self._blocks.append(Block(text))

    def _end_table(self) -> None:
        rows = [*self._rows, self._row] if self._row else self._rows
        self._rows, self._row = [], []
        if table := markdown_table(rows):
            self._blocks.append(Block(table, "table"))


def _joined(texts: list[str]) -> str:
    """Returns the text; two halves of a letter beyond the first 65,536 are one."""
    text = "".join(texts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()


def code_page(number: int, fallback: str = "cp1252") -> str:
    """Returns Python's name of a code page of Windows, the fallback for one that is not known."""
    name = _CODE_PAGES.get(number, f"cp{number}")
    try:
        "".encode(name)
    except LookupError:
        return fallback
    return name
