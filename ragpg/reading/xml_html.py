"""The elements of JATS, DocBook, TEI and unknown XML as HTML, so that one reader writes Markdown.

What an element is tells its name, where the name is known. Else it is a paragraph when it holds
text of its own, in which all others are a part of the line, and a mere container when it does not.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from lxml import etree

HEADERS = frozenset({
    "front", "front-stub", "book-meta", "book-part-meta", "collection-meta", "teiHeader", "info",
    "articleinfo", "bookinfo", "chapterinfo", "sectioninfo", "partinfo", "refentryinfo",
})  # fmt: skip
"""The elements that tell about a document; of theirs only title and abstract are its text."""
_TITLES = frozenset({"title", "head", "heading"})
_TITLE_PATHS = (
    ".//{*}title-group/{*}article-title", ".//{*}book-title", ".//{*}titleStmt/{*}title",
    ".//{*}title-group/{*}title", "{*}title",
)  # fmt: skip
_ABSTRACTS = ("abstract", "trans-abstract")
_SKIPPED = frozenset({
    "object-id", "processing-meta", "indexterm", "remark", "script", "style", "fw", "colspec",
    "spanspec", "annotation", "annotation-xml", "permissions",
})  # fmt: skip
# Paragraphs everywhere, and those that are parts of a line when they stand in one.
_PARAGRAPHS = frozenset({
    "p", "para", "simpara", "ab", "l", "verse-line", "disp-formula", "equation", "informalequation",
})  # fmt: skip
_LINES = frozenset({
    "element-citation", "mixed-citation", "nlm-citation", "citation", "bibl", "biblStruct",
    "biblioentry", "bibliomixed", "person-group", "name", "string-name", "personname", "persName",
})  # fmt: skip
"""Lines of text, although mere elements stand in them."""
_CONTAINERS = frozenset({
    "sec", "section", "div", "list", "itemizedlist", "orderedlist", "simplelist", "variablelist",
    "def-list", "ref-list", "listBibl", "fig", "fig-group", "figure", "informalfigure",
    "table-wrap", "table-wrap-foot", "boxed-text", "fn-group", "supplementary-material",
    "procedure", "substeps", "example", "caption", "note", "tip", "warning", "caution",
    "important", "sidebar",
})  # fmt: skip
# Their titles are no headings of sections.
_UNTITLED = _CONTAINERS - {"sec", "section", "div", "ref-list", "boxed-text"} | {
    "caption", "table", "informaltable", "step", "formalpara", "bibl", "monogr", "analytic",
    "biblStruct", "biblioentry", "bibliomixed", "biblioset",
}  # fmt: skip
_ITEMS = {
    "list-item": "", "listitem": "", "member": "", "varlistentry": "", "def-item": "", "step": "",
    "item": "list", "ref": "ref-list", "bibl": "listBibl", "biblStruct": "listBibl",
}  # fmt: skip
"""Items of lists, and in which parent alone they are ones."""
_TABLES = frozenset({"table", "informaltable", "tgroup"})
_TABLE_GROUPS = {"thead": "th", "tbody": "td", "tfoot": "td"}
_CELLS = frozenset({"td", "th", "entry", "cell"})
_CODE = frozenset({"programlisting", "screen", "literallayout", "synopsis", "preformat", "eg"})
_QUOTES = frozenset({"blockquote", "disp-quote", "epigraph"})
_INLINE = frozenset({
    "b", "i", "u", "em", "strong", "bold", "italic", "emphasis", "emph", "hi", "sub", "sup",
    "subscript", "superscript", "sc", "small", "underline", "monospace", "code", "c", "g", "pb",
})  # fmt: skip
_LISTED = frozenset({"element-citation", "nlm-citation", "person-group"})  # without commas
_NOTES = frozenset({"footnote", "fn", "note"})
_NUMBERED = frozenset({
    "order", "ordered", "numbered", "alpha-lower", "alpha-upper", "roman-lower", "roman-upper",
})  # fmt: skip
# Of several ways to say the same the first of these, else the first.
_WAYS = {
    "alternatives": ("tex-math", "table", "math", "textual-form"),
    "choice": ("corr", "reg", "expan"),
}
_TEX = re.compile(r".*\\begin\{document\}(.*)\\end\{document\}.*", re.DOTALL)


def name_of(element: etree._Element) -> str:
    """Returns the element's name without its namespace."""
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def plain(element: etree._Element) -> str:
    """Returns the element's words."""
    return " ".join("".join(map(str, element.itertext())).split())


def header_title(header: etree._Element) -> str:
    """Returns the title a header tells, "" if none."""
    for path in _TITLE_PATHS:
        found = header.find(path)
        if found is not None and (text := plain(found)):
            subtitle = next(found.itersiblings("{*}subtitle"), None)
            return text if subtitle is None else f"{text}: {plain(subtitle)}"
    return ""


def to_html(root: etree._Element) -> str:
    """Returns what the element holds as HTML."""
    return _Writer(root).written(root, 0)


@dataclass(slots=True)
class _Open:
    """An element that is being written: what ends it, and how its children are taken."""

    end: str = ""
    in_line: bool = False  # its children are parts of a line of text
    is_mixed: bool = False  # it holds text of its own
    is_titled: bool = False
    is_numbered: bool = False  # its items have numbers
    in_list: str = ""  # the list that is open among its children
    cell: str = ""  # in a table: what its cells are
    children: int = 0


class _Writer:
    def __init__(self, root: etree._Element) -> None:
        # Text runs on after these somewhere: they are parts of a line everywhere.
        self._running = {name_of(one) for one in root.iter("{*}*") if (one.tail or "").strip()}
        self._parts: list[str] = []
        self._label = ""  # what stands before the next heading or paragraph

    def written(self, root: etree._Element, level: int) -> str:
        """Returns the element's HTML; its headings are below so many others."""
        before, self._parts = self._parts, []
        opened: list[_Open] = []
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, element in walk:
            if event == "start":
                one = self._start(element, opened[-1] if opened else _Open(), level)
                if one is None:
                    walk.skip_subtree()
                    one = _Open()
                elif element.text:
                    self._text(element.text, one)
                opened.append(one)
                level += one.is_titled
            else:
                one = opened.pop()
                level -= one.is_titled
                if one.children:
                    self._end_label()
                self._end_list(one)
                self._parts.append(one.end)
                if element.tail and opened:
                    self._text(element.tail, opened[-1])
        found, self._parts = "".join(self._parts), before
        return found

    def _text(self, text: str, inside: _Open) -> None:
        if text.strip():
            self._end_list(inside)
        self._parts.append(html.escape(text, quote=False))

    def _end_list(self, inside: _Open) -> None:
        if inside.in_list:
            self._parts.append(f"</{inside.in_list}>")
            inside.in_list = ""

    def _end_label(self) -> None:
        if self._label:
            self._parts.append(f"<p>{self._take_label()}</p>")

    def _take_label(self) -> str:
        label, self._label = self._label, ""
        return f"{html.escape(label, quote=False)} " if label else ""

    # Elements ----------------------------------------------------------------------------------

    def _start(self, element: etree._Element, inside: _Open, level: int) -> _Open | None:
        """Begins the element; None is given for one that is left out or written with all in it."""
        name, parent = name_of(element), element.getparent()
        above = name_of(parent) if parent is not None else ""
        inside.children += 1
        if name in _SKIPPED or (
            parent is not None and above in _WAYS and element is not _way(parent)
        ):
            return None
        if self._is_whole(element, name, above, inside, level):
            return None
        if _ITEMS.get(name, "-") in ("", above):
            return self._item(element, inside)
        self._end_list(inside)
        if inside.cell:
            return self._in_table(element, name, inside)
        return self._block(element, name, above, inside)

    def _is_whole(
        self, element: etree._Element, name: str, above: str, inside: _Open, level: int
    ) -> bool:
        """Returns whether the element was written with all in it."""
        if name in HEADERS:
            self._header(element, level)
        elif name in ("math", "tex-math"):
            self._formula(element, name, inside)
        elif name in _NOTES and inside.in_line:
            self._parts.append(f" [{html.escape(plain(element), quote=False)}] ")
        elif not inside.in_line and name == "label":
            self._label = "" if inside.is_numbered else plain(element)
        elif not inside.in_line and name in _TITLES and above not in _UNTITLED:
            self._heading(plain(element), level)
        else:
            return False
        return True

    def _header(self, header: etree._Element, level: int) -> None:
        if title := header_title(header):
            self._heading(title, level)
        for abstract in header.iterfind(".//{*}*"):
            if name_of(abstract) in _ABSTRACTS:
                if not _is_titled(abstract):
                    self._heading("Abstract", level + 1)
                self._parts.append(self.written(abstract, level))

    def _heading(self, text: str, level: int) -> None:
        tag = f"h{min(max(level, 1), 6)}"
        self._parts.append(f"<{tag}>{self._take_label()}{html.escape(text, quote=False)}</{tag}>")

    def _formula(self, element: etree._Element, name: str, inside: _Open) -> None:
        if name == "math":
            text = " ".join("\n".join(map(str, element.itertext())).split())
        else:
            text = _TEX.sub(r"\1", plain(element)).strip().strip("$").strip()
            text = f"${text}$" if text else ""
        text = html.escape(text, quote=False)
        self._parts.append(f" {text} " if inside.in_line else f"<p>{text}</p>")

    def _item(self, element: etree._Element, inside: _Open) -> _Open:
        if not inside.in_list:
            self._end_label()
            inside.in_list = "ol" if inside.is_numbered else "ul"
            self._parts.append(f"<{inside.in_list}>")
        one = _opened(element, "</li>")
        one.in_line = one.is_mixed or not len(element)
        one.is_numbered = inside.is_numbered
        self._parts.append(f"<li>{self._take_label() if one.in_line else ''}")
        return one

    def _in_table(self, element: etree._Element, name: str, inside: _Open) -> _Open | None:
        one = _opened(element, cell=_TABLE_GROUPS.get(name, inside.cell))
        if name in _TITLES or name == "caption":
            return None  # it stands before the table
        if name in ("tr", "row"):
            self._parts.append("<tr>")
            one.end = "</tr>"
        elif name in _CELLS:
            tag = "th" if name == "th" else inside.cell
            self._parts.append(f"<{tag}{_spans(element)}>")
            one.end, one.in_line, one.cell = f"</{tag}>", True, ""
        return one

    def _table(self, element: etree._Element) -> _Open:
        self._end_label()
        titles = [one for one in element if name_of(one) in _TITLES | {"caption"}]
        self._parts += [f"<p>{html.escape(plain(one), quote=False)}</p>" for one in titles]
        self._parts.append("<table>")
        return _opened(element, "</table>", cell="td")

    def _block(self, element: etree._Element, name: str, above: str, inside: _Open) -> _Open:
        one = _opened(element)
        children = [name_of(child) for child in element]
        if name in _TABLES and "tgroup" not in children and _has_rows(element):
            return self._table(element)
        if name in _CODE or (name == "code" and not inside.in_line):
            self._end_label()
            self._parts.append("<pre>")
            one.end, one.in_line = "</pre>", True
        elif name in _QUOTES:
            self._parts.append("<blockquote>")
            one.end, one.in_line = "</blockquote>", one.is_mixed or not children
        elif children and not one.is_mixed and name in _CONTAINERS | _TABLES:
            self._parts.append("<div>")
            one.end = "</div>"
        elif inside.in_line and name not in _PARAGRAPHS:
            self._parts.append(self._space(name, above, inside))
            one.in_line = True
            one.end = self._space(name, "", inside) if inside.is_mixed else ""
        elif (
            one.is_mixed or not children or name in _LINES | _PARAGRAPHS
            or all(map(self._is_of_line, children))
        ):  # fmt: skip
            self._parts.append(f"<p>{self._take_label() if element.text or children else ''}")
            one.end, one.in_line = "</p>", True
        else:
            self._parts.append("<div>")
            one.end = "</div>"
        return one

    def _space(self, name: str, above: str, inside: _Open) -> str:
        """Returns what keeps the words of parts of a line apart."""
        if above in _LISTED and not inside.is_mixed and inside.children > 1:
            return ", "
        is_joined = name in _INLINE or (inside.is_mixed and name in self._running)
        return "" if is_joined else " "

    def _is_of_line(self, name: str) -> bool:
        is_block = name in _PARAGRAPHS | _CONTAINERS | _TABLES | _CODE | _QUOTES
        return name in _INLINE or (name in self._running and not is_block)


def _opened(element: etree._Element, end: str = "", cell: str = "") -> _Open:
    kind = element.get("list-type") or element.get("rend") or element.get("type") or ""
    return _Open(
        end, cell=cell, is_titled=_is_titled(element),
        is_numbered=name_of(element) in ("orderedlist", "procedure") or kind in _NUMBERED,
        is_mixed=any((one or "").strip() for one in (element.text, *(one.tail for one in element))),
    )  # fmt: skip


def _is_titled(element: etree._Element) -> bool:
    if name_of(element) in _UNTITLED:
        return False
    return any(
        name_of(one) in _TITLES or (name_of(one) in HEADERS and header_title(one))
        for one in element
    )


def _way(parent: etree._Element) -> etree._Element:
    named = {name_of(one): one for one in reversed(parent)}
    return next((named[name] for name in _WAYS[name_of(parent)] if name in named), parent[0])


def _has_rows(element: etree._Element) -> bool:
    return next(element.iter("{*}tr", "{*}row"), None) is not None


def _spans(element: etree._Element) -> str:
    """Returns the cell's spans as HTML has them."""
    wide = element.get("colspan") or element.get("cols") or ""
    high = element.get("rowspan") or element.get("rows") or ""
    if (more := element.get("morerows", "")).isdecimal():
        high = str(int(more[:6]) + 1)
    start, end = element.get("namest"), element.get("nameend")
    table = next(element.iterancestors("{*}tgroup"), None)
    if start and end and table is not None:
        names = [one.get("colname", "") for one in table.iterfind("{*}colspec")]
        if start in names and end in names:
            wide = str(names.index(end) - names.index(start) + 1)
    spans = (("colspan", wide), ("rowspan", high))
    return "".join(f' {name}="{int(n[:6])}"' for name, n in spans if n.isdecimal())
