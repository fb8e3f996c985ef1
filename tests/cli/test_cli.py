"""The command line as a user types it: real processes, the real model, a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

import ragpg
from ragpg import RagpgError
from ragpg.cli import console, entry

from ..conftest import ROOT
from ..servers.messages import MessagesServer


class Shell:
    """Runs ragpg in its own process."""

    def __init__(self, home: Path) -> None:
        self.environment = {**os.environ, "RAGPG_HOME": str(home), "COLUMNS": "200"}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ragpg", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shell(home: Path) -> Shell:
    return Shell(home)


def test_add_search_ask_status(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "refunds.md").write_text("# Refunds\n\nMoney is returned within five days.\n")
    (tmp_path / "broken.html").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = shell("add", str(tmp_path), "--collection", "docs", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1, "a document failed"
    assert {key: report[key] for key in ("added", "failed", "chunks_embedded", "deleted")} == {
        "added": 1,
        "failed": 1,
        "chunks_embedded": 1,
        "deleted": 0,
    }
    assert "broken.html" in report["failures"][0]["reason"]
    (hit,) = shell.json("search", "when do I get my cash back", "-c", "docs", "-k", "3")
    assert hit["source"] == str(tmp_path / "refunds.md")
    text = (tmp_path / "refunds.md").read_text()
    assert text[hit["start_char"] : hit["end_char"]] == hit["content"]
    assert {"place", "title", "score", "context", "metadata", "document_version"} <= set(hit)
    answer = shell.json("ask", "when is money returned?", "-c", "docs")
    assert not answer["generated"] and "ANTHROPIC_API_KEY" in answer["text"]
    (citation,) = answer["citations"]
    assert text[citation["start_char"] : citation["end_char"]] == citation["quote"]
    status = shell.json("status")
    (collection,) = status["collections"]
    assert (collection["collection"], collection["documents"]) == ("docs", 1)


def test_documents_are_named_by_path_or_its_end(shell: Shell, tmp_path: Path) -> None:
    for name in ("a/one.md", "b/one.md", "b/two.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("Money is returned within five days.\n")
    shell("add", str(tmp_path), "-c", "docs")
    several = shell("history", "one.md", "-c", "docs")
    assert several.returncode == 1 and "is the end of 2 sources" in several.stderr
    assert str(tmp_path / "a" / "one.md") in several.stderr
    assert shell("history", "a/one.md", "-c", "docs").returncode == 0
    relative = os.path.relpath(tmp_path / "b" / "one.md", ROOT)
    assert shell.json("delete", relative, "-c", "docs")["deleted"] == [str(tmp_path / "b/one.md")]
    assert shell.json("erase", "b/one.md", "-c", "docs", "--yes")["versions"] == 1
    nobody = shell("delete", "wo.md", "-c", "docs")
    assert nobody.returncode == 1 and 'no document "wo.md"' in nobody.stderr
    assert [one["documents"] for one in shell.json("collections")] == [2]
    refused = shell("drop", "docs")
    assert refused.returncode == 1 and "with 2 documents" in refused.stdout
    assert shell.json("drop", "docs", "--yes") == {"dropped": "docs", "documents": 2}
    assert shell.json("collections") == []


def test_many_documents_by_filter(shell: Shell, tmp_path: Path) -> None:
    for number in range(3):
        text = f"---\nyear: {2020 + number}\n---\nMoney is returned within {number} days.\n"
        (tmp_path / f"{number}.md").write_text(text)
    shell("add", str(tmp_path), "-c", "docs")
    old = ("-c", "docs", "--filter", "$.year < 2022")
    first = shell.json("documents", *old, "--limit", "1")
    assert [Path(one["source"]).name for one in first] == ["0.md"]
    rest = shell.json("documents", *old, "--after", first[0]["source"])
    assert [Path(one["source"]).name for one in rest] == ["1.md"]
    changed = shell.json("metadata", '{"old": true, "year": null}', *old)["changed"]
    assert [Path(one).name for one in changed] == ["0.md", "1.md"]
    assert shell.json("documents", "-c", "docs", "--filter", '{"old": true}')[0]["indexed"]
    gone = ("delete", "-c", "docs", "--filter", '{"old": true}')
    assert shell.json(*gone, "--dry-run") == {"deleted": changed, "dry_run": True}
    asked = shell(*gone)
    assert asked.returncode == 1 and "delete 2 documents of docs? (--yes" in asked.stdout
    assert shell(*gone, "--yes").stdout.endswith("2 documents deleted\n")
    for wrong, said in (
        (("delete", "-c", "docs"), "say which documents"),
        (("metadata", "{}", "-c", "docs"), "say which documents"),
        (("metadata", "{a: 1}", "2.md", "-c", "docs"), "is no JSON"),
        (("metadata", "{}", "0.md", "-c", "docs"), '/0.md" in "docs"'),
        (("delete", "2.md", "-c", "docs", "--filter", "$.year == 1"), "that passes the filter"),
    ):
        refused = shell(*wrong)
        assert refused.returncode == 1 and said in refused.stderr
    assert [one["documents"] for one in shell.json("collections")] == [1]


def test_a_folder_without_a_file_and_the_version(shell: Shell, tmp_path: Path) -> None:
    done = shell("add", str(tmp_path), "-c", "docs")
    assert done.returncode == 0 and done.stderr.endswith(f"no file was found in {tmp_path}\n")
    assert shell("--version").stdout == f"ragpg {ragpg.__version__}\n"


def test_demo_answers_with_its_source(shell: Shell) -> None:
    with MessagesServer() as server:
        shell.environment |= {"ANTHROPIC_API_KEY": "test", "ANTHROPIC_BASE_URL": server.url}
        done = shell("demo")
    assert done.returncode == 0, done.stderr
    assert "5–7 business days" in done.stdout and "7 added" in done.stdout
    assert "**refunds**" in done.stdout, "matched words are marked"
    assert "refunds.md, characters" in done.stdout
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("search", "x", "-c", "absent"), 'no collection "absent"'),
        (("add", "/absent/folder"), "/absent/folder"),
        (("delete", "x"), "no collection"),
        (("search", "x", "--mode", "keyword", "--filter", "$.a =="), "syntax error"),
    ],
)
def test_errors_are_one_line(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    monkeypatch.setattr(sys, "argv", ["ragpg", *arguments])
    with pytest.raises(SystemExit) as exit:
        entry.main()
    told = capsys.readouterr()
    assert exit.value.code == 1
    assert expected in told.err and told.err.startswith("error: ")
    assert told.err.count("\n") == 1 and told.out == ""
    monkeypatch.setattr(sys, "argv", ["ragpg", *arguments, "--debug"])
    with pytest.raises(RagpgError):
        entry.main()


def test_an_empty_database_is_named(shell: Shell, empty_url: str) -> None:
    shell.environment["DATABASE_URL"] = empty_url
    done = shell("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert "run ragpg init" in done.stderr
    assert "went from version none to" in shell("init", "--no-encoder").stdout
    assert "nothing to do" in shell("migrate").stdout
    assert shell("status").returncode == 0
    psql = shell("db", "psql", "-Atc", "select count(*) from ragpg.collections")
    assert psql.stdout == "0\n"


def test_passwords_are_not_printed() -> None:
    assert console.public_url("postgresql://me:secret@h/d") == "postgresql://me:***@h/d"


def test_help_lists_every_command_in_order_and_cuts_none() -> None:
    def named(shown: str) -> list[str]:
        return re.findall(r"^  ([a-z][a-z-]*)  +\S", shown, re.M)

    root = typer.main.get_command(entry.app)
    assert isinstance(root, TyperGroup)
    commands = root.commands
    shown = help_of()
    assert set(named(shown)) == set(commands) and "..." not in shown.partition("First steps")[2]
    first = [named(part)[0] for part in shown.split(":\n")[2:]]
    assert first == ["demo", "add", "search", "eval", "status"]
    assert "RAGPG_DATABASE_URL" in shown
    for name, group in commands.items():
        if isinstance(group, TyperGroup):
            of_group = help_of(name).partition("Commands:")[2]
            assert set(named(of_group)) == set(group.commands) and "..." not in of_group
    assert named(help_of("eval"))[:2] == ["load", "run"]


def help_of(*arguments: str) -> str:
    shown = CliRunner().invoke(entry.app, [*arguments, "--help"], env={"COLUMNS": "80"})
    assert max(map(len, shown.output.splitlines())) <= 80
    return shown.output
