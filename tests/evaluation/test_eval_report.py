"""The report of an evaluation: what stands on the page, and that no text breaks out of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli import entry
from ragpg.evaluation import Evaluation
from ragpg.evaluation.report import marked

from ..conftest import ROOT

Sql = psycopg.Connection[Any]
EVIL = "<script>alert('x')</script>\" onload=\"x & y"
VOID = {"meta", "br", "line", "circle", "rect", "polyline"}


class Page(HTMLParser):
    """A page's elements with their attributes, its text, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data


@pytest.fixture
def docs(client: ragpg.Client, sql: Sql) -> ragpg.Collection:
    docs = client.collection("docs")
    docs.add(
        records=[
            {"source": "help/refunds.md", "text": "The refund takes five days.\n\nAsk for money."},
            {"source": "help/login.md", "text": f"The login needs a password. {EVIL}"},
            {"source": "help/rates.md", "text": "The rate limit is ten."},
        ]
    )
    for question, labels, tags in (
        ("How long does the refund take?", [("refunds.md", "takes five days")], ["money"]),
        (f"What does the login need? {EVIL}", [("login.md", "needs a password")], [EVIL]),
        ("What is the uptime?", [("uptime.md", "always")], ["money"]),
        ("How many rates?", [("rates.md", "The rate limit is ten.")], []),
    ):
        sql.execute(
            "select ragpg.put_evaluation_question('docs', 'default', %s, %s, tags => %s)",
            (question, Jsonb([{"source": s, "quote": q} for s, q in labels]), tags),
        )
    return docs


def test_the_page_tells_of_the_run_and_the_one_before(docs: ragpg.Collection, sql: Sql) -> None:
    docs.evaluation.run(k=1, mode="keyword", note=EVIL)
    sql.execute("update ragpg.search_indexes set vector_weight = 0.5")
    run_id = docs.evaluation.run(k=1)
    report = docs.evaluation.report()
    assert (report.run_id, report.before_id) == (run_id, run_id - 1)
    page = Page(report.html)
    (row,) = [row for row in docs.evaluation.runs() if row["run_id"] == run_id]
    assert f"{row['ndcg']:.3f}" in page.text and "3 of 3 questions" in page.text
    assert "no change beyond noise" in page.text and "95 % interval" in page.text
    assert "not in the corpus" in page.text and "add the missing document" in page.text
    assert "document is gone" in page.text, "a label that is lost is told of"
    assert "<mark>takes five days</mark>" not in report.html, "only questions that went wrong"
    tags = dict(re.findall(r"<tr><td>(\S+?)</td><td class=\"n\">(\d+)</td>", report.html))
    assert tags["money"] == "1", "a tag counts the questions that can be measured"
    assert "<b>0.5</b>" in report.html, "a setting that changed stands out"


def test_worst_questions_show_labels_and_hits(docs: ragpg.Collection, sql: Sql) -> None:
    for place, text in enumerate(("rate rate rate", "rate rate")):
        docs.add(text=text, source=f"more{place}.md")
    sql.execute(
        "select ragpg.put_evaluation_question('docs', 'one', 'rate rate', %s, 'It is ten.')",
        [Jsonb([{"source": "rates.md", "quote": "rate limit"}])],
    )
    docs.evaluation.run("one", k=3, mode="keyword")
    report = docs.evaluation.report("one")
    assert "The <mark>rate limit</mark> is ten." in report.html
    assert "It is ten." in report.html and "This is the first run" in report.html
    assert Page(docs.evaluation.report("one", questions=0).html).text.count("rate limit") == 0


def test_nothing_breaks_out_of_the_page(docs: ragpg.Collection) -> None:
    docs.evaluation.run(k=3, note=EVIL)
    docs.evaluation.run(k=2, note=EVIL)
    html = docs.evaluation.report().html
    page = Page(html)
    assert page.text.count(EVIL) > 5, "it is shown as it is written"
    names = {tag for tag, _ in page.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "base", "form"}
    attributes = {name for _, given in page.elements for name in given}
    assert not {name for name in attributes if name.startswith("on") or name == "src"}
    links = {given["href"] or "" for _, given in page.elements if "href" in given}
    assert links and all(link.startswith("#") for link in links)
    ids = {given["id"] for _, given in page.elements if "id" in given}
    assert {link[1:] for link in links} <= ids
    assert "url(" not in html and "@import" not in html and "://" not in html


def test_runs_asked_otherwise_are_set_apart(docs: ragpg.Collection) -> None:
    docs.evaluation.run(k=3)
    docs.evaluation.run(k=1)
    html = docs.evaluation.report().html
    assert "Hollow" in html and "more hits find more" in html
    docs.evaluation.run(k=3)
    first, second, third = sorted(row["run_id"] for row in docs.evaluation.runs())
    report = docs.evaluation.report()
    assert report.before_id == first, "the last one that can be compared"
    assert "more hits find more" not in report.html
    assert docs.evaluation.report(run_id=third, against=second).before_id == second
    with pytest.raises(errors.BadArgument, match="run 99 is no finished run"):
        docs.evaluation.report(run_id=99)


def test_a_set_without_runs_is_named(docs: ragpg.Collection, sql: Sql) -> None:
    with pytest.raises(errors.BadArgument, match="no finished run: ragpg eval run"):
        docs.evaluation.report()
    sql.execute("select ragpg_internal.start_evaluation('docs', 'default')")
    with pytest.raises(errors.BadArgument, match="no finished run"):
        docs.evaluation.report()


def test_a_set_without_labels_has_a_page(docs: ragpg.Collection, sql: Sql) -> None:
    sql.execute(
        "select ragpg.put_evaluation_question('docs', 'none', 'Who?', is_answerable => false)"
    )
    docs.evaluation.run("none")
    docs.evaluation.run("none")
    page = Page(docs.evaluation.report("none").html)
    assert "No question has a labelled text" in page.text
    assert "shares no labelled question" in page.text


def test_a_long_hit_is_shown_around_its_labelled_text() -> None:
    text = "a" * 1000 + "<b>" + "c" * 1000
    html = marked(text, [(1000, 1003)])
    assert "a<mark>&lt;b&gt;</mark>c" in html and len(html) < 500
    assert html.startswith("…") and html.endswith("…")
    assert marked("one & two", []) == "one &amp; two"
    assert marked("abcdef", [(0, 2), (4, 6)]) == "<mark>ab</mark>cd<mark>ef</mark>"


def test_the_command_writes_the_page(
    docs: ragpg.Collection, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs.evaluation.run()
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    path = tmp_path / "page.html"
    done = CliRunner().invoke(entry.app, ["eval", "report", "-c", "docs", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "How good is retrieval in docs?" in Page(path.read_text("utf-8")).text
    done = CliRunner().invoke(entry.app, ["eval", "report", "-c", "docs", "-o", str(tmp_path)])
    assert isinstance(done.exception, errors.BadArgument)


def test_a_run_is_reported_as_itself(
    docs: ragpg.Collection, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's run may end between the run and its report."""
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    ended = Evaluation.run

    def run(*given: Any, **options: Any) -> int:
        mine = ended(*given, **options)
        ended(docs.evaluation, mode="keyword")
        return mine

    monkeypatch.setattr(Evaluation, "run", run)
    monkeypatch.setattr("ragpg.session.Session.embed_query", lambda *_: None)
    path = tmp_path / "page.html"
    command = ["eval", "run", "-c", "docs", "--mode", "keyword", "--report", str(path)]
    done = CliRunner().invoke(entry.app, command)
    assert done.exit_code == 0, done.output
    (first, _) = sorted(run["run_id"] for run in docs.evaluation.runs())
    assert f"run {first}" in Page(path.read_text("utf-8")).text.lower()
    assert f"run {first + 1}" not in Page(path.read_text("utf-8")).text.lower()


def test_three_commands_from_nothing(home: Path, tmp_path: Path) -> None:
    """As docs/evaluation.md promises: a folder, a file of questions, a page."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "office.md").write_text("# Office\n\nThe office opens at nine.\n")
    (tmp_path / "notes" / "garage.md").write_text("# Garage\n\nThe garage closes at ten.\n")
    question = {"question": "When does the office open?", "labels": [{"source": "office.md"}]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(question))
    page = (ROOT / "docs" / "evaluation.md").read_text()
    found = re.search(r"in three commands\n\n```sh\n(.*?)```", page, re.DOTALL)
    assert found
    commands = found[1].replace("FOLDER", "notes").splitlines()
    assert len(commands) == 3
    environment = {**os.environ, "RAGPG_HOME": str(home), "PYTHONPATH": str(ROOT)}
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "ragpg", *command.split()[1:]],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    assert "report: report.html" in done.stdout
    assert "1 of 1 questions" in Page((tmp_path / "report.html").read_text("utf-8")).text
