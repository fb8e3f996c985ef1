"""Builds the documentation as a site with search, in build/site: make site

python -m docs.site
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
_LIST = re.compile(r"^(?![-*] |\d+\. |[ >|#]|$)(.*\S.*)\n(?=(?:[-*]|\d+\.) )", re.MULTILINE)
_FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


def gather(pages: Path) -> None:
    """Makes a folder hold the pages: those of docs, the README as the first one, the changelog."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "pictures", pages / "pictures")
    sources = {"index.md": ROOT / "README.md"}
    for path in (*(ROOT / "docs").glob("*.md"), ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"):
        sources[path.name] = path
    for name, path in sources.items():
        text = page(path.read_text(encoding="utf-8"), set(sources))
        (pages / name).write_text(text, encoding="utf-8")


def page(text: str, known: set[str]) -> str:
    """Returns a page's Markdown as the generator reads it: links among pages, lists apart.

    What a link of the repository names and the site does not have stays as its words.
    """

    def linked(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        inside = target.removeprefix("../").removeprefix("docs/")
        if inside in known or inside.startswith("pictures/"):
            return f"[{label}]({inside}{anchor})"
        return label

    parts = _FENCED.split(text)  # fenced blocks stay as they are
    # Python-Markdown begins a list after an empty line only.
    parts[::2] = [_LIST.sub(r"\1\n\n", _LINK.sub(linked, part)) for part in parts[::2]]
    return "".join(parts)


def build() -> None:
    gather(ROOT / "build" / "pages")
    program = str(Path(sys.executable).with_name("zensical"))
    subprocess.run([program, "build", "--clean", "--strict"], cwd=ROOT, check=True)


if __name__ == "__main__":
    build()
    print(f"the site is in {ROOT / 'build' / 'site'}")
