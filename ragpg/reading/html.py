"""An HTML page to Markdown: navigation out, tables, lists and code kept."""

from __future__ import annotations

import html
import re
from collections import Counter

from html_to_markdown import ConversionError, ConversionOptions, convert
from selectolax.lexbor import LexborHTMLParser, LexborNode

from ragpg.errors import LoadError
from ragpg.reading.result import Reading

_BOILERPLATE = """
    script, style, template, noscript, svg, canvas, iframe, object, audio, video, dialog,
    button, input, select, textarea, datalist,
    nav, [role=navigation], [role=search], [role=banner], [role=contentinfo],
    [aria-hidden=true], [hidden], .navheader, .navfooter, .breadcrumb, .breadcrumbs,
    .headerlink, .anchor-link, .linenos, .skip-link, annotation, annotation-xml
"""
_PAGE_FRAME = "header, footer, aside"
_CONTENT_PARTS = frozenset({"main", "article", "section", "blockquote"})
# Admonitions are parts of a section: their titles must not begin one.
# Each kind by itself: lexbor finds only children, not descendants, of an :is() before a space.
_ADMONITIONS = (".note", ".tip", ".warning", ".caution", ".important", ".admonition", "[role=note]")
_ADMONITION_TITLES = ", ".join(f"{one} :is(h1, h2, h3, h4, h5, h6)" for one in _ADMONITIONS)
_INLINE_TAGS = [
    "a", "abbr", "acronym", "b", "big", "bdi", "bdo", "cite", "data", "del", "dfn", "em", "font",
    "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong",
    "sub", "sup", "time", "tt", "u", "var",
]  # fmt: skip
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
# Lexbor walks the open elements at each tag, 3 ns a step: a file of 3 MB could take minutes.
_MAX_STEPS = 300_000_000
_SOFT_HYPHEN = "\u00ad"  # where a word may be cut, not a part of it
_MAX_DEPTH = 200  # of what the converter surely takes: tables in tables end it near 300 elements
_WORD = re.compile(r"\w+")
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_CLOSED_BY_OTHERS = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr", "p", "li", "dt", "dd", "option", "optgroup", "tr", "td", "th", "thead", "tbody",
    "tfoot", "colgroup", "rb", "rp", "rt", "rtc",
})  # fmt: skip
_NO_WORDS = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|title)\b.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_ANY_TAG = re.compile(r"</?[a-zA-Z!?][^>]*>?")
_META_NAMES = frozenset({"description", "keywords", "author", "date"})
_META_PREFIXES = ("og:", "article:")


def read_html(text: str) -> Reading:
    """Returns the page's title, its main part as Markdown, and its metadata."""
    if is_too_deep(text):
        return Reading("", _words(text))
    page = LexborHTMLParser(text)
    title = _node_text(page.css_first("head title")) or _node_text(page.css_first("h1"))
    metadata = _metadata(page)
    main = page.css_first("main, [role=main]")
    if main is not None and main.text(strip=True):
        page = LexborHTMLParser(main.html or "")
    return Reading(title, _markdown(page), metadata)


def is_too_deep(text: str) -> bool:
    """Returns whether the parser would take minutes for it."""
    # Fewer tags cannot be so deep: most pages need no look.
    return text.count("<") ** 2 > 2 * _MAX_STEPS and _depth(text)[1] > _MAX_STEPS


def _depth(text: str) -> tuple[int, int]:
    """Returns how deep its elements nest, and the sum of all elements' depths."""
    open_elements: Counter[str] = Counter()
    depth = deepest = steps = 0
    for tag in _TAG.finditer(text):
        name = tag[2].lower()
        if not tag[1]:
            steps += depth
            if name not in _CLOSED_BY_OTHERS:
                open_elements[name] += 1
                depth += 1
                deepest = max(deepest, depth)
        elif open_elements[name]:
            open_elements[name] -= 1
            depth -= 1
    return deepest, steps


def _words(text: str) -> str:
    """Returns the text without its markup."""
    pieces = _ANY_TAG.sub("\n", _NO_WORDS.sub("\n", text)).split("\n")
    return "\n".join(filter(None, (" ".join(html.unescape(one).split()) for one in pieces)))


def _node_text(node: LexborNode | None) -> str:
    return " ".join(node.text().split()) if node else ""


def _metadata(page: LexborHTMLParser) -> dict[str, str]:
    metadata: dict[str, str] = {}
    for node in page.css("meta[content]"):
        name = (node.attributes.get("name") or node.attributes.get("property") or "").lower()
        value = (node.attributes.get("content") or "").strip()
        if value and (name in _META_NAMES or name.startswith(_META_PREFIXES)):
            metadata.setdefault(name, value)
    language = page.root.attributes.get("lang") if page.root else None
    return {**metadata, "language": language} if language else metadata


def _markdown(page: LexborHTMLParser) -> str:
    _remove_boilerplate(page)
    _flatten_inline_markup(page)
    source = "".join(
        part if part.startswith("<pre") else _normalise_markup(part)
        for part in _PRE.split(page.html or "")
    )
    try:
        markdown = (convert(source, _OPTIONS).content or "").replace(_SOFT_HYPHEN, "")
    except ConversionError as error:
        raise LoadError(f"the HTML cannot be converted: {error}") from error
    # Nested hundreds deep the converter gives up without a word: then the words alone.
    words = page.body.text(separator="\n", strip=True) if page.body else ""
    words = words.replace(_SOFT_HYPHEN, "")
    is_short = _letters(markdown) < _letters(words)
    return words if is_short and _depth(source)[0] > _MAX_DEPTH else markdown.strip("\n")


def _letters(text: str) -> int:
    return sum(map(len, _WORD.findall(text)))


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
    for node in page.css("table[border]"):
        # With border=0 and a colspan, as in every filing of a listed company, the converter takes a
        # table for layout, and makes it a list.
        del node.attrs["border"]
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
