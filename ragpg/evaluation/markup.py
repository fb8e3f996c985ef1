"""Pieces of HTML: every text escaped, numbers in one form."""

from __future__ import annotations

import html
from collections.abc import Sequence

_NONE, _MINUS = "\u2013", "\u2212"


def escape(text: str) -> str:
    """Returns the text as HTML shows it, in an element or an attribute's quotes."""
    return html.escape(text, quote=True)


def number(value: float | None) -> str:
    """Returns three decimals; a dash when there is none."""
    return _NONE if value is None else f"{value:.3f}"


def signed(value: float) -> str:
    """Returns three decimals with their sign, a true minus."""
    text = f"{value:+.3f}".replace("-", _MINUS)
    return text if text.strip("0.+" + _MINUS) else "0.000"


def percent(value: float | None) -> str:
    """Returns whole percent; a dash when there is none."""
    return _NONE if value is None else f"{value:.0%}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], now: int | None = None) -> str:
    """Returns a table of cells that are HTML already.

    A heading's first character tells its column: # numbers, = texts that need room, ~ drawings,
    where `a | b` stand at their ends. `now` is the row to stand out.
    """
    kinds = [{"#": "n", "~": "plot", "=": "wide"}.get(head[:1], "") for head in heads]
    top = "".join(_heading(head, kind) for head, kind in zip(heads, kinds, strict=True))
    body = ""
    for place, row in enumerate(rows):
        cells = "".join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True))
        body += f"<tr{_class('now' if place == now else '')}>{cells}</tr>"
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def _heading(head: str, kind: str) -> str:
    text = head[1:] if kind else head
    left, bar, right = text.partition(" | ")
    if bar:
        text = f'<span style="float:right">{escape(right)}</span>{escape(left)}'
    else:
        text = escape(text)
    return f"<th{_class(kind)}>{text}</th>"


def _cell(cell: str, kind: str) -> str:
    return f"<td{_class(kind)}>{cell}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
