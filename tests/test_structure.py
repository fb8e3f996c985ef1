"""The house keeps its shape: directions, sizes, and what `import ragpg` loads."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.sizes import CORE_AT_MOST, core
from tests.conftest import ROOT

FOLDERS = ("ragpg", "tests", "benchmarks", "docs", "migrations")
MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 400, 50


def contracts(tree: Path) -> subprocess.CompletedProcess[str]:
    """Returns what import-linter says of the packages of a tree."""
    program = str(Path(sys.executable).with_name("lint-imports"))
    return subprocess.run(
        [program, "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("search/searching.py", "from ragpg.evaluation import Evaluation"),
        ("reading/loading.py", "from ragpg.database import Database"),
        ("database/connection.py", "import ragpg.search"),
        ("indexing/worker.py", "from ragpg.inspection import Inspector"),
    ],
)
def test_the_directions_are_a_contract(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "ragpg", tmp_path / "ragpg")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert contracts(tmp_path).returncode == 0
    path = tmp_path / "ragpg" / module
    path.write_text(path.read_text().replace("\nfrom ", f"\n{line}\nfrom ", 2))
    broken = contracts(tmp_path)
    assert broken.returncode == 1
    assert "BROKEN" in broken.stdout


def test_the_core_is_read_in_an_afternoon(url: str) -> None:
    modules = core(url)
    assert {"ragpg.client", "ragpg.collection", "ragpg.search.queries"} <= set(modules)
    total = sum(modules.values())
    assert total <= CORE_AT_MOST, f"{total} lines: see `make sizes`"


def python_files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def test_no_file_is_long() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in python_files()}
    assert len(sizes) > 200
    assert {path: size for path, size in sizes.items() if size > MOST_LINES_OF_A_FILE} == {}


def test_a_long_function_says_why() -> None:
    functions = [
        (path.relative_to(ROOT), node)
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert len(functions) > 2000
    silent = [
        f"{path}: {function.name}, {length} lines"
        for path, function in functions
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MOST_LINES_OF_A_FUNCTION
        and "long, because" not in (ast.get_docstring(function) or "").lower()
    ]
    assert silent == []


def test_import_loads_nothing_heavy() -> None:
    script = "import sys, ragpg; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "ragpg.collection" in loaded
    heavy = {"torch", "scipy", "anthropic", "transformers", "pypdfium2", "lxml", "sqlalchemy"}
    assert heavy & set(loaded) == set()
