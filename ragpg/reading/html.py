"""An HTML page to Markdown: navigation out, tables, lists and code kept."""

from __future__ import annotations

import html
import re

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
_META_NAMES = frozenset({"description", "keywords", "author", "date"})
_META_PREFIXES = ("og:", "article:")


def read_html(text: str) -> Reading:
    """Returns the page's title, its main part as Markdown, and its metadata."""
    page = LexborHTMLParser(text)
    title = _node_text(page.css_first("head title")) or _node_text(page.css_first("h1"))
    metadata = _metadata(page)
    main = page.css_first("main, [role=main]")
    if main is not None and main.text(strip=True):
        page = LexborHTMLParser(main.html or "")
    return Reading(title, _markdown(page), metadata)


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
