"""reStructuredText to Markdown through docutils' HTML; what only Sphinx knows keeps its text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from docutils import nodes
from docutils.core import publish_parts
from docutils.parsers.rst import Directive, directives, roles
from docutils.utils import Reporter
from docutils.writers import html5_polyglot

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
    "math_output": "LaTeX",
    "initial_header_level": 2,
    "input_encoding": "unicode",
    "output_encoding": "unicode",
    "line_length_limit": 1_000_000,
}
_HIDDEN = (
    "toctree", "index", "highlight", "currentmodule", "module", "sectionauthor", "codeauthor",
    "automodule", "autoclass", "autofunction", "automethod", "autosummary", "literalinclude",
    "contents", "include", "raw", "image", "tabularcolumns", "default-domain", "doctest-requires",
)  # fmt: skip
_CODE = ("code", "code-block", "sourcecode")
_LITERAL = ("productionlist", "testcode", "ipython", "prompt")
_ROLE_TARGET = re.compile(r"^(.*?)\s*<[^<>]*>$", re.DOTALL)
_REWRITTEN = (
    (re.compile(r"<li><p>((?:(?!<p\b|</p>).)*)</p>\s*</li>", re.DOTALL), r"<li>\1</li>"),
    (
        re.compile(r'<pre class="code (\S+) literal-block"><code>'),
        r'<pre><code class="language-\1">',
    ),
    (re.compile(r'<span class="classifier">'), "<span> : "),
)


def read_rst(data: bytes) -> Reading:
    """Returns the document as Markdown; files it includes are not read."""
    try:
        page = publish_parts(
            decode(data), writer=html5_polyglot.Writer(), settings_overrides=_SETTINGS
        )
    except (ValueError, AttributeError, TypeError, KeyError, AssertionError) as error:
        raise LoadError(f"its reStructuredText cannot be read: {error}") from error
    body = page["html_body"]
    for pattern, replacement in _REWRITTEN:
        body = pattern.sub(replacement, body)
    return Reading(read_html(f"<p>{page['title']}</p>").content, read_html(body).content)


# What only Sphinx knows ------------------------------------------------------------------------


_ANY_OPTION: dict[str, Callable[[str], Any]] = defaultdict(
    lambda: directives.unchanged, name=directives.unchanged
)


class _Hidden(Directive):
    """A directive that shows nothing of its own."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = _ANY_OPTION

    def run(self) -> list[nodes.Node]:
        return []


class _Code(_Hidden):
    """Source code, with whatever options Sphinx gives it."""

    def run(self) -> list[nodes.Node]:
        text = "\n".join(self.content)
        language = ["code", *self.arguments] if self.name in _CODE else []
        return [nodes.literal_block(text, text, classes=language)]


class _Content(_Hidden):
    """A directive that is not known: its arguments are a paragraph before its content."""

    def run(self) -> list[nodes.Node]:
        body = nodes.container()
        for text in self.arguments:
            body += nodes.paragraph(text, "", *self.state.inline_text(text, self.lineno)[0])
        self.state.nested_parse(self.content, self.content_offset, body)
        return body.children


def _text_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, *rest: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    shown = _ROLE_TARGET.match(text)
    return [nodes.Text(shown[1] if shown else text.lstrip("~!"))], []


def _falling_back(known: Any, fallback: Any) -> Any:
    """Returns docutils' search for a role or directive, with what is taken for unknown ones."""

    def search(*arguments: Any) -> Any:
        found, messages = known(*arguments)
        return (found, messages) if found else (fallback, [])

    return search


roles.role = _falling_back(roles.role, _text_role)
directives.directive = _falling_back(directives.directive, _Content)
for _names, _directive in ((_HIDDEN, _Hidden), (_CODE + _LITERAL, _Code)):
    for _name in _names:
        directives.register_directive(_name, _directive)
