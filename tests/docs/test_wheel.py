"""A built wheel works in an empty environment, without the checkout."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from ..conftest import ROOT


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


def test_it_runs_without_the_checkout(wheel: Path, empty_url: str, tmp_path: Path) -> None:
    """The wheel is installed by pip; its dependencies, tested as they are, are borrowed."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    borrowed = next(path for path in sys.path if path.endswith("site-packages"))
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (site / "borrowed.pth").write_text(
        f"import sys; sys.path.append({borrowed!r})  # no editable finders of that environment\n"
    )
    page = tmp_path / "page.md"
    page.write_text("# Refunds\n\nMoney is returned within five days.\n")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [tmp_path / "venv" / "bin" / "ragpg", *arguments],
            cwd=tmp_path,
            env={"DATABASE_URL": empty_url, "HF_HUB_OFFLINE": "1", "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [str(python), "-c", "import ragpg; print(ragpg.__file__)"]
    assert str(site) in subprocess.run(where, capture_output=True, text=True, cwd=tmp_path).stdout
    run("init")
    assert "1 added" in run("add", "page.md")
    assert "five days" in run("search", "refund", "--mode", "keyword")
