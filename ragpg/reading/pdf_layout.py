"""Characters with boxes -> lines, paragraphs, headings, lists and tables as Markdown."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ragpg.reading.pdf_boxes import Box, Char, Line, Segment, bounds, overlap
from ragpg.reading.pdf_columns import AlignedTable, with_aligned_tables
from ragpg.reading.pdf_order import in_reading_order
from ragpg.reading.pdf_tables import Table

# Measured on the papers, manuals and forms of benchmarks/loading.py.
_HEADING_SIZE = 1.12  # times the size of most characters
_HEADING_CHARACTERS = 200
_LINE_PITCH = 1.35  # a larger distance than this many usual ones begins a paragraph
_COLUMN_GAP = 0.9  # of a line's height, is between columns
_WORD_GAP = 0.15  # of a line's height, is between words
_INDENT = 0.8  # of a line's height, begins a paragraph
_MARGIN_LINES = 3  # at the top and bottom of a page that may be headers and footers
_MARGIN_SHARE = 0.4  # of the pages that repeat them: left and right pages may differ

_BULLETS = "•▪▫◦‣●○■□➢➤❖✓✔·∙\ue000-\uf8ff"
_BULLET = re.compile(rf"^(?:[{_BULLETS}]|[-\u2013\u2014*](?=\s))\s*")
_NUMBERED = re.compile(r"^(?:\(?(?:\d{1,3}|[a-z]|[ivxl]{1,5})[.)]|\[\d{1,3}\])\s")
_SENTENCE_END = re.compile(r"[.!?:;\u3002\uff01\uff1f…][\"'”\u2019»)\]]*$")
_IDEOGRAPHS = "\u2e80"  # and what comes after them has no spaces between words
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(slots=True)
class PageLayout:
    """A page's characters in stream order, and the cells of the tables its rules draw."""

    chars: list[Char]
    width: float
    height: float
    tables: list[list[Box]] = field(default_factory=list)


@dataclass(slots=True)
class _Paragraph:
    lines: list[Line]

    @property
    def box(self) -> Box:
        return bounds(line.box for line in self.lines)


def layout_pages(pages: Iterable[PageLayout]) -> tuple[list[str], Callable[[str, str], str]]:
    """Returns each page's Markdown, and what separates two pages: a sentence may go on.

    The pages are taken one by one, so that only one of them is there with all its characters.
    """
    found = [(page.width, _page_items(page)) for page in pages]
    _drop_margins([items for _, items in found])
    lines = [item for _, items in found for item in items if isinstance(item, Line)]
    words = _vocabulary(lines)
    sizes = _heading_sizes(lines)
    texts = [_page_markdown(items, width, sizes, words) for width, items in found]
    return texts, _between_pages


def _between_pages(before: str, after: str) -> str:
    """Returns a space where the sentence at the end of a page goes on at the top of the next."""
    last = before.rsplit("\n\n", 1)[-1]
    goes_on = not last.startswith(("#", "|", "- ")) and not _SENTENCE_END.search(last)
    return " " if goes_on and after[:1].islower() else "\n\n"


# Lines -----------------------------------------------------------------------------------------


def _page_items(page: PageLayout) -> list[Line | Table]:
    """Returns the page's lines and tables in stream order."""
    tables = [Table(cells) for cells in page.tables]
    for table in tables:
        table.take(page.chars)
    tables = [table for table in tables if table.is_plausible()]
    return list(_items(page.chars, tables))


def _items(chars: Iterable[Char], tables: list[Table]) -> Iterator[Line | Table]:
    waiting = list(tables)
    owners = {place: table for table in tables for place in table.taken}
    run: list[Char] = []
    for place, char in enumerate(chars):
        owner = owners.get(place)
        if owner is not None:
            yield from _line(run)
            run = []
            if owner in waiting:
                waiting.remove(owner)
                yield owner
        elif "\n" in char.text or char.text == "\r":
            yield from _line([*run, char])
            run = []
        else:
            if _is_below(run, char):
                yield from _line(run)
                run = []
            run.append(char)
    yield from _line(run)


def _is_below(run: list[Char], char: Char) -> bool:
    """Returns whether the character begins a line although PDFium gave no line end before it."""
    last = next((one.box for one in reversed(run) if not one.is_generated), None)
    if last is None or char.is_generated:
        return False
    height = max(last[3] - last[1], char.box[3] - char.box[1])
    return char.box[0] < last[0] - height and abs(char.box[3] - last[3]) > 0.6 * height


def _line(chars: list[Char]) -> Iterator[Line]:
    seen = [char for char in chars if not char.is_generated and not char.text.isspace()]
    if not seen:
        return
    size = statistics.median(char.box[3] - char.box[1] for char in seen)
    text = " ".join("".join(_spaced(chars, size)).split())
    if not text:
        return
    bold = sum(char.is_bold for char in seen) > 0.9 * len(seen)
    box = bounds(char.box for char in seen)
    yield Line(text, box, round(size, 1), bold, _segments(chars, size))


def _spaced(chars: list[Char], size: float) -> Iterator[str]:
    """Yields the line's letters, a space where PDFium gave none between two that stand apart.

    That is where a font is narrow, as groff's, or where italics end; not where all letters do.
    """
    pairs = list(pairwise(chars))
    gaps = [
        after.box[0] - before.box[2] if _is_in_word(before, after) else None
        for before, after in pairs
    ]
    usual = statistics.median([gap for gap in gaps if gap is not None] or [0])
    yield from (char.text for char in chars[:1])
    for gap, (_, char) in zip(gaps, pairs, strict=True):
        if gap is not None and _WORD_GAP * size < gap and gap > usual + _WORD_GAP * size:
            yield " "
        yield char.text


def _is_in_word(before: Char, after: Char) -> bool:
    """Returns whether these are letters of one word, of a script that has spaces, or a mark's."""
    letters = before.text[-1:], after.text[:1]
    return not (before.is_generated or after.is_generated) and all(
        (one.isalnum() and one < _IDEOGRAPHS) or one in marks
        for one, marks in zip(letters, (tuple(".,;:)"), ("(",)), strict=True)
    )


def _segments(chars: list[Char], size: float) -> tuple[Segment, ...]:
    """Returns the pieces of a line between gaps as wide as no space between words is."""
    found: list[Segment] = []
    for char in chars:
        left, _, right, _ = char.box
        if char.is_generated or char.text.isspace():
            if found:
                found[-1] = found[-1]._replace(text=found[-1].text + " ")
        elif found and left - found[-1].right < _COLUMN_GAP * size:
            text = found[-1].text + char.text.rstrip("\n")
            found[-1] = Segment(found[-1].left, max(right, found[-1].right), text)
        else:
            found.append(Segment(left, right, char.text.rstrip("\n")))
    return tuple(one._replace(text=" ".join(one.text.split())) for one in found)


# Headers and footers ---------------------------------------------------------------------------


def _drop_margins(pages: list[list[Line | Table]]) -> None:
    """Drops lines that stand at the same place of many pages, page numbers aside."""
    found: dict[tuple[str, int], list[tuple[int, Line]]] = defaultdict(list)
    for number, items in enumerate(pages):
        lines = sorted((x for x in items if isinstance(x, Line)), key=lambda line: line.box[1])
        for line in lines[:_MARGIN_LINES] + lines[_MARGIN_LINES:][-_MARGIN_LINES:]:
            place = re.sub(r"\d+", "#", line.text.lower()), round(line.box[1] / 12)
            found[place].append((number, line))
    filled = sum(map(bool, pages))
    running = (places for places in found.values() if _is_running(places, filled))
    dropped = {id(line) for places in running for _, line in places}
    for items in pages:
        items[:] = [item for item in items if id(item) not in dropped]


def _is_running(places: list[tuple[int, Line]], pages: int) -> bool:
    """Returns whether a line is a header or footer: the same everywhere, or with page numbers.

    Lines that differ in other numbers, such as those of invoices, are content.
    """
    on_pages = len({page for page, _ in places})  # not the cells of one page's row
    if on_pages < 3:
        return False
    if len({line.text for _, line in places}) == 1:
        return on_pages >= _MARGIN_SHARE * pages
    offsets = Counter(
        int(number) - page for page, line in places for number in re.findall(r"\d{1,6}", line.text)
    )
    return bool(offsets) and offsets.most_common(1)[0][1] >= 0.8 * len(places)


# Paragraphs ------------------------------------------------------------------------------------


def _page_markdown(
    items: list[Line | Table], width: float, sizes: list[float], words: Counter[str]
) -> str:
    lines = [item for item in items if isinstance(item, Line)]
    pitch = _usual_pitch(lines)
    blocks: list[_Paragraph | Table | AlignedTable] = []
    for item in with_aligned_tables(items):
        last = blocks[-1] if blocks else None
        if not isinstance(item, Line):
            blocks.append(item)
        elif isinstance(last, _Paragraph) and _goes_on(last, item, pitch):
            last.lines.append(item)
        else:
            blocks.append(_Paragraph([item]))
    body = _body_size(lines)
    texts = (
        _paragraph_text(block, _level(block, sizes, body), words)
        if isinstance(block, _Paragraph)
        else block.markdown()
        for block in in_reading_order(blocks, width)
    )
    return _stacked([text for text in texts if text])


def _stacked(texts: list[str]) -> str:
    """Returns the blocks below each other, the items of a list without a blank line between."""
    parts = texts[:1]
    for before, text in pairwise(texts):
        parts += ["\n" if before.startswith("- ") and text.startswith("- ") else "\n\n", text]
    return "".join(parts)


def _usual_pitch(lines: list[Line]) -> float:
    steps = ((after.box[3] - before.box[3], before.size) for before, after in pairwise(lines))
    pitches = [step for step, size in steps if 0 < step < 3 * size]
    return statistics.median(pitches) if pitches else 0


def _goes_on(paragraph: _Paragraph, line: Line, pitch: float) -> bool:
    """Returns whether the line belongs to the paragraph before it."""
    last = paragraph.lines[-1]
    step = line.box[3] - last.box[3]
    is_alike = abs(line.size - last.size) <= 0.12 * last.size and line.is_bold == last.is_bold
    if not is_alike or _BULLET.match(line.text) or _NUMBERED.match(line.text):
        # Superscripts and the like share a line; below it they begin another paragraph.
        return abs(step) < 0.5 * last.size
    usual = max(pitch, last.size * (0.9 if line.size < 1.1 * pitch else 1.1))
    if not -0.5 * last.size < step <= _LINE_PITCH * usual:
        return False
    if step > 0.5 * last.size and not overlap(last.box, line.box):
        return False  # it is in another column
    left = min(one.box[0] for one in paragraph.lines[-2:])
    is_indented = line.box[0] > left + _INDENT * line.size and step > 0.5 * last.size
    return not is_indented or bool(_BULLET.match(paragraph.lines[0].text))


# Headings --------------------------------------------------------------------------------------


def _body_size(lines: Iterable[Line]) -> float:
    """Returns the size of most characters."""
    weights: Counter[float] = Counter()
    for line in lines:
        weights[line.size] += len(line.text)
    return weights.most_common(1)[0][0] if weights else 0


def _heading_sizes(lines: list[Line]) -> list[float]:
    """Returns the document's sizes of headings, largest first; nearly equal ones are one."""
    body = _body_size(lines)
    sizes = sorted({line.size for line in lines if line.size > body * _HEADING_SIZE}, reverse=True)
    kept: list[float] = []
    for size in sizes:
        if not kept or size < kept[-1] * 0.95:
            kept.append(size)
    return kept


def _level(paragraph: _Paragraph, sizes: list[float], page_body: float) -> int:
    """Returns the level of the heading the paragraph is, 0 for none."""
    text = " ".join(line.text for line in paragraph.lines)
    letters = sum(map(str.isalpha, text))
    is_long = len(text) > _HEADING_CHARACTERS
    if is_long or letters < max(2, 0.4 * len(text)) or _BULLET.match(text):
        return 0
    size = max(line.size for line in paragraph.lines)
    rank = next((n for n, one in enumerate(sizes, 1) if size >= one * 0.95), 0)
    if rank and size > page_body * 1.05:
        return min(rank, 5)
    is_label = all(line.is_bold for line in paragraph.lines) and not text.endswith((".", ",", ";"))
    return min(len(sizes) + 2, 6) if is_label and len(text) < 100 else 0


# Text ------------------------------------------------------------------------------------------


def _vocabulary(lines: list[Line]) -> Counter[str]:
    """Counts the document's words, the halves of those cut at a line's end left out."""
    words: Counter[str] = Counter()
    is_cut = False
    for line in lines:
        found = [word.lower() for word in _WORD.findall(line.text)]
        ends_cut = line.text.endswith("-")
        words.update(found[int(is_cut) : len(found) - int(ends_cut)])
        is_cut = ends_cut
    return words


def _paragraph_text(paragraph: _Paragraph, level: int, words: Counter[str]) -> str:
    """Returns the paragraph in Markdown: a heading of that level if there is one."""
    text = paragraph.lines[0].text
    right = paragraph.box[2]
    for before, line in pairwise(paragraph.lines):
        is_full = before.box[2] > right - 0.15 * (right - paragraph.box[0])
        is_same_line = abs(line.box[3] - before.box[3]) < 0.5 * before.size
        text = _joined(text, line.text, " " if is_full or is_same_line else "\n", words)
    return f"{'#' * level} {' '.join(text.split())}" if level else _BULLET.sub("- ", text)


def _joined(text: str, line: str, space: str, words: Counter[str]) -> str:
    """Returns the text with the next line; a word cut in two is whole again where that is sure."""
    cut = re.search(r"([^\W\d_]+)-$", text)
    rest = re.match(r"[^\W\d_]+", line)
    if cut is None or rest is None or not rest[0][0].islower():
        return text + line if text.endswith(("-", "/")) and cut else f"{text}{space}{line}"
    left, right = cut[1].lower(), rest[0].lower()
    if words[left + right] or not (words[f"{left}-{right}"] or (words[left] and words[right])):
        return text[:-1] + line
    return text + line
