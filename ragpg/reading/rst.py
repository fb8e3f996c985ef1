"""reStructuredText to Markdown through docutils; what only Sphinx knows keeps its text."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.core import publish_parts
from docutils.parsers.rst import Directive, directives, roles
from docutils.utils import Reporter

from ragpg.errors import LoadError
from ragpg.reading.decoding import decode
from ragpg.reading.html import read_html
from ragpg.reading.result import Reading

_SETTINGS = {
    "file_insertion_enabled": False,  # a document must not read this machine's files
    "raw_enabled": False,
    "report_level": Reporter.SEVERE_LEVEL + 1,
    "halt_level": Reporter.SEVERE_LEVEL + 1,
    "warning_stream": "",
    "_disable_config": True,
    "embed_stylesheet": False,
    "stylesheet_path": None,
    "syntax_highlight": "none",
    "doctitle_xform": True,
    "initial_header_level": 2,
    "input_encoding": "unicode",
    "output_encoding": "unicode",
    "smart_quotes": False,
    "line_length_limit": 1_000_000,
}
_HIDDEN = frozenset({
    "toctree", "index", "highlight", "currentmodule", "module", "sectionauthor", "codeauthor",
    "automodule", "autoclass", "autofunction", "automethod", "autosummary", "literalinclude",
    "contents", "include", "raw", "image", "tabularcolumns", "default-domain", "doctest-requires",
})  # fmt: skip
_CODE = frozenset(
    {"code", "code-block", "sourcecode", "productionlist", "testcode", "ipython", "prompt"}
)
_ITEM = re.compile(r"<li><p>((?:(?!<p\b|</p>).)*)</p>\s*</li>", re.DOTALL)
_ROLE_TARGET = re.compile(r"^(.*?)\s*<[^<>]*>$", re.DOTALL)


def read_rst(data: bytes) -> Reading:
    """Returns the document as Markdown; files it includes are not read."""
    _know_sphinx()
    try:
        page = publish_parts(decode(data), writer="html5", settings_overrides=_SETTINGS)
    except (ValueError, AttributeError, TypeError, KeyError, AssertionError) as error:
        raise LoadError(f"its reStructuredText cannot be read: {error}") from error
    body = _ITEM.sub(r"<li>\1</li>", page["html_body"])
    content = read_html(f"<main>{body}</main>").content
    return Reading(_plain(page["title"]), content, {})


def _plain(markup: str) -> str:
    return " ".join(read_html(f"<p>{markup}</p>").content.split())


def _know_sphinx() -> None:
    """Makes every role that docutils does not know give its text, every directive its content."""
    known_role, known_directive = roles.role, directives.directive

    def role(name: str, language: Any, lineno: int, reporter: Any) -> Any:
        found, messages = known_role(name, language, lineno, reporter)
        return (found or _text_role), ([] if found is None else messages)

    def directive(name: str, language: Any, document: Any) -> Any:
        if name in _HIDDEN:
            return _Hidden, []
        if name in _CODE:
            return _Code, []
        found, messages = known_directive(name, language, document)
        return (found or _Content), ([] if found is None else messages)

    if not getattr(roles.role, "knows_sphinx", False):
        role.knows_sphinx = True  # type: ignore[attr-defined]
        roles.role = role  # type: ignore[assignment]
        directives.directive = directive  # type: ignore[assignment]


def _text_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, *rest: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    shown = _ROLE_TARGET.match(text)
    return [nodes.Text(shown[1] if shown else text.lstrip("~!"))], []


class _AnyOption(dict[str, Any]):
    """An option specification that takes whatever is there."""

    def __getitem__(self, name: str) -> Any:
        return lambda value: value or ""

    def __bool__(self) -> bool:
        return True


class _Hidden(Directive):
    """A directive that shows nothing of its own."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = _AnyOption()

    def run(self) -> list[nodes.Node]:
        return []


class _Code(_Hidden):
    """Source code, with whatever options Sphinx gives it."""

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        return [nodes.literal_block(text, text)]


class _Content(_Hidden):
    """A directive that is not known: its arguments are a paragraph before its content."""

    def run(self) -> list[nodes.Node]:
        shown: list[nodes.Node] = []
        if self.arguments:
            texts, _ = self.state.inline_text(self.arguments[0], self.lineno)
            shown.append(nodes.paragraph(self.arguments[0], "", *texts))
        body = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, body)
        return [*shown, *body.children]
