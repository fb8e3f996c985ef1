"""A built wheel works in an empty environment, without the checkout."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from ..conftest import ROOT
from .test_readme import blocks, run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_migrations_and_the_handbook(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for path in [*(ROOT / "migrations").rglob("*.*"), *(ROOT / "ragpg" / "handbook").iterdir()]:
        if "__pycache__" not in path.parts:
            inside = path.relative_to(ROOT)
            inside = inside if inside.parts[0] == "ragpg" else Path("ragpg") / inside
            assert str(inside) in names
    for path in (ROOT / "ragpg").rglob("*.*"):  # modules, templates, style and script
        assert path.suffix == ".pyc" or str(path.relative_to(ROOT)) in names
    assert "ragpg/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of an environment are in which pip installed the wheel.

    The wheel's dependencies, tested as they are, are borrowed.
    """
    folder = tmp_path_factory.mktemp("wheel") / "venv"
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "borrowed.pth").write_text(
        f"import sys; sys.path.extend({borrowed!r})  # no editable finders of that environment\n"
    )
    return folder / "bin"


def test_the_readme_runs_without_the_checkout(bin_folder: Path, home: Path) -> None:
    def told(*command: str, text: str = "") -> str:
        return run(home, *command, text=text, bin_folder=bin_folder)

    python = str(bin_folder / "python")
    assert str(bin_folder.parent) in told(python, "-c", "import ragpg; print(ragpg.__file__)")
    shell = told("bash", "-euc", "\n".join(blocks("bash")))
    assert "7 added" in shell and "embedded in SQL by" in shell and "business days" in shell
    assert "No answer was generated" in shell and "30 questions in default, 0 labels" in shell
    psql = ("ragpg", "db", "psql", "-qv", "ON_ERROR_STOP=1")
    tables = [told(*psql, text=block) for block in blocks("sql")]
    assert len(tables) == 3
    assert "refunds.md" in tables[0] and "**rate** **limit**" in tables[0]
    assert "all-MiniLM-L6-v2 | t" in tables[1]
    assert "handbook" in tables[2]
    (block,) = blocks("python")
    printed = told(python, "-c", block)
    assert "0 7 ()" in printed and "opening 0 25 The office opens at nine." in printed


def test_what_examples_says_next_runs(bin_folder: Path, initialised: Path) -> None:
    said = run(initialised, "ragpg", "examples", "tried", bin_folder=bin_folder)
    there = initialised / "tried"
    for page in (ROOT / "ragpg" / "handbook").iterdir():
        assert (there / "handbook" / page.name).read_bytes() == page.read_bytes()
    assert (there / "handbook.jsonl").read_bytes() == (
        ROOT / "evals" / "handbook.jsonl"
    ).read_bytes()
    commands = said.partition("next:\n")[2]
    told = run(initialised, "bash", "-euc", commands, bin_folder=bin_folder)
    assert "7 added" in told and "30 questions" in told and "report.html" in told
    assert (there / "report.html").exists()
