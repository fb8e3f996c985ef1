"""Keeps pictures of `ragpg ui` in docs/pictures, of the database that docs.picture_data filled.

python -m docs.ui_pictures         # needs chromium and chromium-driver
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from docs.browser import Browser, browser
from ragpg.client import connect

PICTURES = Path(__file__).parent / "pictures"
QUESTION = "can I build an index without blocking writes"
WIDE, NARROW = (1280, 800), (420, 800)


def main() -> None:
    """Takes a picture of each page as a telephone shows it, and of Ask wide as well."""
    serve = [sys.executable, "-u", "-m", "ragpg", "ui", "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        try:
            root = page.stdout.readline().split("/  ")[0]
            with browser() as window:
                for name, path in _paths().items():
                    window.open(root + path)
                    if name == "ask":
                        _ask(window)
                        _take(window, WIDE, PICTURES / "ask.png")
                    _take(window, NARROW, PICTURES / f"{name}-narrow.png")
        finally:
            page.terminate()


def _paths() -> dict[str, str]:
    """Returns the address of each picture: the newest run, the citation whose words are gone."""
    with connect(read_only=True) as client, client.database.connection() as connection:
        run = connection.execute("select max(run_id) from ragpg.evaluation_leaderboard").fetchone()
        cited = connection.execute(
            """
            select cited.document_id, cited.document_version, cited.start_char, cited.end_char
            from ragpg.stale_citations as stale
            join ragpg.citations as cited using (answer_id, ordinal)
            where stale.quote_is = 'gone'
            """
        ).fetchone()
    assert run is not None and cited is not None, "run docs.picture_data first"
    document, version, start, end = cited
    question = QUESTION.replace(" ", "+")
    return {
        "queue": "/queue",
        "run": f"/evaluation/{run[0]}",
        "version": f"/document/{document}?version={version}&start={start}&end={end}",
        "ask": f"/search?q={question}&collection=postgres",
    }


def _take(window: Browser, size: tuple[int, int], path: Path) -> None:
    """Keeps a picture; AssertionError when the page would have to be scrolled sideways."""
    window.resize(*size)
    wide = window.run("return document.documentElement.scrollWidth")
    assert wide <= size[0], f"{path.name} is {wide} pixels wide in {size[0]}"
    window.picture(path)


def _ask(window: Browser) -> None:
    window.click("//button[normalize-space()='Ask']")
    window.wait("return location.pathname == '/ask' && document.readyState == 'complete'")


if __name__ == "__main__":
    main()
