"""The documentation as a site: every page, in the navigation, its links whole, found by search."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from docs import site

from ..conftest import ROOT

SETTINGS = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]


def test_the_site_is_built(tmp_path: Path) -> None:
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    site.gather(tmp_path / SETTINGS["docs_dir"])
    program = str(Path(sys.executable).with_name("zensical"))
    # Strict: a link to a page or heading that is not there is an error.
    done = subprocess.run(
        [program, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    built = tmp_path / SETTINGS["site_dir"]
    found = json.loads((built / "search.json").read_text())
    places = {one["location"].partition("#")[0] for one in found["items"]}
    assert {f"{path.stem}/" for path in (ROOT / "docs").glob("*.md")} <= places
    markup = (built / "index.html").read_text()
    assert 'href="web/"' in markup and "pictures/search.png" in markup
    elsewhere = re.findall(r"<(?:script|link)[^>]+(?:src|href)=[\"']?https?://[^\"' >]+", markup)
    assert [one for one in elsewhere if "canonical" not in one] == []


def test_each_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"\"([\w-]+\.md)\"", (ROOT / "zensical.toml").read_text()))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert named == pages | {"index.md", "CHANGELOG.md", "CONTRIBUTING.md"}


def test_lists_and_links_are_as_the_generator_reads_them() -> None:
    text = "See [b](docs/b.md#c), [code](../x.py):\n- one\n- two\n\n```\nText\n- [b](x.md)\n```\n"
    assert site.page(text, {"b.md"}) == (
        "See [b](b.md#c), code:\n\n- one\n- two\n\n```\nText\n- [b](x.md)\n```\n"
    )
