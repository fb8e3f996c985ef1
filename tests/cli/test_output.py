"""What the command line shows of others' texts, on a terminal and off it."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest
from rich.text import Text

from ragpg.cli import asking, console


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(console.out, "file", stream)
    return stream


def test_control_characters_are_shown_not_obeyed(
    printed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "a\x1b[2J\x1b]0;title\x07b\x9b31m\rc\u202ed\x7f"
    console.out.print(hostile, markup=False)
    console.out.print(Text(hostile))
    monkeypatch.setattr(console.out, "width", 200)
    table = console.table_of("source")
    table.add_row(hostile)
    console.out.print(table)
    shown = printed.getvalue()
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e\x7f")
    assert shown.count(r"a\x1b[2J\x1b]0;title") == 3
    assert r"c\u202ed\x7f" in shown


def test_json_holds_no_control_characters_and_says_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = {"a\x9b": "b\x1b\u202e\x7f\n日本"}
    console.print_json(value)
    text = capsys.readouterr().out
    assert not set(text) & set("\x1b\x9b\u202e\x7f")
    assert json.loads(text) == value
    assert "日本" in text


def test_off_a_terminal_tables_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    table = console.table_of("source", "title")
    table.add_row("s" * 300, "t" * 300)
    console._console(sys.stdout, stderr=False).print(table)
    assert re.search("s{300} +t{300}", stream.getvalue())
    assert max(map(len, stream.getvalue().splitlines())) < 620


@pytest.mark.parametrize(
    ("marked", "shown"),
    [
        ("the \x01Pro\x02 plan", "the **Pro** plan"),
        ("the **\x01Pro\x02** plan", "the **Pro** plan"),
        ("the **\x01Pro\x02 plan** of \x01Pro\x02", "the **Pro plan** of **Pro**"),
        ("__\x01Pro\x02__ and 2 ** 3 \x01Pro\x02 ** 4", "__Pro__ and 2 ** 3 **Pro** ** 4"),
        ("**a** \x01b\x02 **c**", "**a** **b** **c**"),
    ],
)
def test_matched_words_inside_emphasis(marked: str, shown: str) -> None:
    assert asking._marked(marked).plain == shown
