"""No page of `ragpg ui` scrolls sideways on a telephone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ragpg
from docs.browser import browser

from .test_guarded import served

NAME = "a_name_of_forty-eight_characters_without_a_space"
WIDER = """
const wide = [...document.querySelectorAll('main *, header *')].filter(
    one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1);
return document.scrollingElement.scrollWidth > innerWidth
    ? wide.map(one => one.tagName + ' ' + one.textContent.trim().slice(0, 40)) : [];
"""


@pytest.mark.skipif(
    not (shutil.which("chromedriver") and shutil.which("chromium")),
    reason="Chromium or its driver is not installed",
)
def test_no_page_scrolls_sideways(
    filled: None, reading: ragpg.Client, client: ragpg.Client, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        '{"question": "when is money returned", "labels": [{"source": "gone.md", "quote": "it is"}]}\n'
    )
    for name in ("pages", NAME):
        held = client.collection(name)
        held.add(text="Money is returned within five days.", source="a/" * 60 + "refunds.md")
        held.ask("when is money returned?")
        held.evaluation.load(questions)
        run_id = held.evaluation.run(note="what was tried, in many words")
        talk = held.conversation()
        talk.ask("when is money returned?")
        talk.ask("x" * 200)
    paths = ["/conversations", f"/conversation/{talk.id}"]
    paths += ["/", "/queue", f"/evaluation/{run_id}", "/document/1?start=0&end=9"]
    for name in ("pages", NAME):
        asked = f"collection={name}&q=refund"
        paths += [f"/{page}?{asked}" for page in ("collection", "search", "ask", "evaluation")]
        paths += [f"/problems?{asked}", f"/search?{asked}&filter=%24.a%20%3D%3D"]
    with served(reading) as address, browser() as window:
        for width in (390, 320):
            window.resize(width, 844)
            for path in paths:
                window.open(f"{address}{path}")
                window.run("document.querySelectorAll('details').forEach(one => one.open = true)")
                assert window.run(WIDER) == [], (width, path)
