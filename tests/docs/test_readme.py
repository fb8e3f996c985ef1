"""The pages' commands do what they say, run as they stand there, in a folder of nobody's.

Those of the README run from the wheel: test_wheel.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import ROOT
from ..servers.embedding import EmbeddingServer

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(
    home: Path, *command: str, text: str = "", bin_folder: Path = Path(sys.executable).parent
) -> str:
    """Returns what a command printed, run in the folder `home` and with it as RAGPG_HOME."""
    done = subprocess.run(
        command,
        input=text,
        env={
            **os.environ,
            "RAGPG_HOME": str(home),
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        },
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command} {text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(r"`make (\w+)`", README)
    assert {"demo", "test"} <= set(named)
    assert not [target for target in named if f"\n{target}:" not in makefile]


def test_links_and_functions_exist() -> None:
    known = {path.stem for path in (ROOT / "sql").rglob("*.sql")} | {"chunks_of_handbook"}
    named = set(re.findall(r"ragpg\.([a-z_]+)(?=\(|;|`| as| order)", README))
    python = {"connect", "connect_async", "tables"}
    assert named - python <= known


def run_page(home: Path, name: str) -> str:
    """Runs the shell and SQL of a page in docs, in order, and returns what they printed."""
    page = (ROOT / "docs" / name).read_text()
    told = ""
    for language, block in re.findall(r"```(bash|sql)\n(.*?)```", page, re.DOTALL):
        if language == "bash":
            told += run(home, "bash", "-euc", block)
        else:
            told += run(home, "ragpg", "db", "psql", "-qv", "ON_ERROR_STOP=1", text=block)
    return told


def test_the_page_on_models(initialised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingServer() as api:
        for variable, value in api.environment().items():
            monkeypatch.setenv(variable, value)
        told = run_page(initialised, "models.md")
    assert "7 added" in told and "search index 2: 7 documents, 0 failed" in told
    assert "search index 1 is active" in told and "search index 2 is gone" in told
    assert "openai/text-embedding-3-small | t" in told
    assert {"dimensions" in one.body for one in api.requests} == {False}
    assert {one.path for one in api.requests} == {"/openai/v1/embeddings", "/voyage/v1/embeddings"}


def test_the_page_on_documents(initialised: Path) -> None:
    told = run_page(initialised, "documents.md")
    assert "6 unchanged, 1 deleted" in told and "3 unchanged, 3 deleted" in told
    assert "2 | {https://example.org/docs/b}" in told
    assert "2 indexed, 0 failed" in told
    assert "1 | garage" in told
    assert "-The office opens at nine." in told and "+The office opens at ten." in told
    assert "erased 1 document, 1 earlier versions" in told
    assert "search index 3 is active" in told and "search index 1 is active" in told
    assert "span_recall" in told and "24 questions" in told


def test_the_page_on_inspection(initialised: Path) -> None:
    told = run_page(initialised, "inspect.md")
    assert "7 documents" in told and "nothing looks wrong" in told
    assert "other language: 7" in told
    assert "mojibake           |     2" in told and "german" in told


def test_the_page_on_evaluation(initialised: Path) -> None:
    told = run_page(initialised, "evaluation.md")
    assert "30 questions in default, 0 labels not found" in told
    assert "span_recall" in told and "24 questions" in told and "worse" in told
    assert "ranked low" in told and "answerable questions kept" in told
    assert "present" in told and "best_trade" in told and "ndcg" in told
    assert "report.html: run 2 against run 1" in told
    assert "10 calls of claude" in told and "accept_draft" in told


def test_the_page_on_languages(initialised: Path) -> None:
    told = run_page(initialised, "languages.md")
    assert "7 added" in told and "english" in told
    assert "'京大':2" in told and "**国立**综合性**大学**" in told


def test_the_page_on_importing(initialised: Path) -> None:
    told = run_page(initialised, "importing.md")
    assert told.count("2 added, 0 updated, 0 unchanged, 1 failed") == 2
    assert told.count("yes") == 2, "facts 1 and 2"


def test_the_page_on_psql(initialised: Path) -> None:
    told = run_page(initialised, "psql.md")
    assert "2 indexed, 0 failed" in told
    assert "Refunds take five business days. Money goes back to the card that was charged." in told
    assert "How long do refunds take? | refunds |             1 |               2 | gone" in told
    assert "opening hours" in told
    assert "all is well" in told and "# EOF" in told


def test_the_page_on_finetuning(initialised: Path) -> None:
    told = run_page(initialised, "finetuning.md")
    assert "what goes wrong?" in told and "verdict" in told
    assert "corrected" in told and "examples for training" in told and "0 errors" in told
    assert "pairs to train all-MiniLM-L6-v2 on" in told and "not enough yet" in told
    assert re.search(r"train +\| evaluation set default", told)


def test_the_page_on_the_page(initialised: Path) -> None:
    told = run_page(initialised, "ui.md")
    assert "7 added" in told and "vector_place" in told and "Refunds" in told
    pictures = re.findall(r"\((pictures/[^)]+)\)", (ROOT / "docs" / "ui.md").read_text())
    assert pictures
    for name in pictures:
        assert (ROOT / "docs" / name).stat().st_size < 200_000
