"""What the command line shows of others' texts, on a terminal and off it."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.text import Text

from ragpg.answer import Answer
from ragpg.answer.answers import Citation
from ragpg.cli import asking, collections, console, examples
from ragpg.errors import RagpgError


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


def cited(source: str, end: int, start_char: int = 0) -> Citation:
    return Citation(1, 1, source, "", start_char, start_char + 5, "a\nquote", 0, end, None)


def test_each_claim_has_the_numbers_of_what_it_cites(printed: io.StringIO) -> None:
    text = "Five days for cards, ten by transfer.\n\nNobody else knows."
    answer = Answer(
        "how long?",
        text,
        (cited("cards", 19), cited("all", 36), cited("cards", 36, 9), cited("cards", 39)),
        (),
        model="claude",
        generated=True,
        id=1,
    )
    asking.print_answer(answer)
    told = printed.getvalue()
    assert told.startswith(
        "Five days for cards [1], ten by transfer [2][3]. [1]\n\nNobody else knows.\n"
    )
    assert "[1] cards, characters 0 to 5\n    a quote\n[2] all, characters 0 to 5\n" in told
    assert "[3] cards, characters 9 to 14" in told and "not every claim above is cited" in told


def test_a_written_answer_is_shown_once_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal what is heard while it is written is taken back for the marked answer."""
    stream = io.StringIO()
    screen = console._Console(
        file=stream, force_terminal=True, width=40, height=10, color_system=None
    )
    monkeypatch.setattr(asking, "out", screen)
    answer = Answer(
        "x", "Five days.", (cited("cards", 10),), (), model="claude", generated=True, id=1
    )

    class Held:
        def ask(self, question: str, k: int, on_text: Any) -> Answer:
            for number in range(30):
                on_text(f"line {number} \x1b[2J\n")
            return answer

    asking.ask_and_print(Held(), "x")
    shown = stream.getvalue()
    assert "line 29" in shown and "\x1b[2J" not in shown
    after = shown.rpartition("line 29")[2]
    assert after.count("\x1b[1A\x1b[2K") >= 8, "what was heard is erased"
    assert re.search(r"Five days\. \[1\]\n", after)
    monkeypatch.setattr(asking, "out", console._Console(file=(piped := io.StringIO()), width=40))
    asking.ask_and_print(Held(), "x")
    assert piped.getvalue().startswith("Five days. [1]\n") and "line" not in piped.getvalue()


def test_tables_fit_and_keep_a_sources_end(
    printed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.out, "width", 80)
    table = console.table_of("source", "title", "collection", "chunks")
    path = "/srv/" + "folder/" * 20 + "refunds.md"
    table.add_row(console.End(path), "Refunds " * 10, "c" * 48, "1,234")
    table.add_row(console.End("/日本/" + "語" * 40 + ".md"), "", "", "")
    table.add_row(console.End("a.md"), "", "", "")
    console.out.print(table)
    lines = printed.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert re.search(r"^ …\S*/refunds\.md ", printed.getvalue(), re.M)
    assert re.search(r"^ …語+\.md ", printed.getvalue(), re.M)
    assert re.search(r"^ a\.md ", printed.getvalue(), re.M)
    assert sum(line.count("c") for line in lines[3:]) == 48, "no name is cut"
    monkeypatch.setattr(console.out, "width", 400)
    console.out.print(table)
    assert path in printed.getvalue()


def test_recall_is_a_column_where_it_was_measured(printed: io.StringIO) -> None:
    row = {
        "collection": "docs",
        "documents": 1,
        "pending_documents": 0,
        "chunks": 1,
        "embedding_model": "words",
        "last_changed_at": None,
    }
    collections.print_collections([row], {"docs": None})
    assert "docs" in printed.getvalue() and "recall" not in printed.getvalue()
    collections.print_collections([row], {"docs": 0.987})
    assert "recall" in printed.getvalue() and "0.987" in printed.getvalue()


def test_examples_overwrite_nothing(tmp_path: Path) -> None:
    (tmp_path / "handbook").mkdir()
    mine = tmp_path / "handbook" / "sla.md"
    mine.write_text("My own.")
    with pytest.raises(RagpgError, match=r"sla\.md is there and says something else"):
        examples.examples(tmp_path)
    assert mine.read_text() == "My own." and list(tmp_path.iterdir()) == [mine.parent]
    mine.unlink()
    examples.examples(tmp_path)
    examples.examples(tmp_path)  # the same again is nothing
    assert len(list(tmp_path.rglob("*.*"))) == 8
