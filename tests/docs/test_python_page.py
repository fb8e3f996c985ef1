"""docs/python.md is what signatures and docstrings say, and every example on it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docs import generate_python

from ..servers.messages import MessagesServer, answer, text_block
from .test_readme import run

DRAFT = '{{"worth_asking": true, "question": "Which {n}?", "answer": "This.", "quote": "."}}'


def test_the_page_is_up_to_date() -> None:
    assert generate_python.page() == generate_python.PAGE.read_text(), "run make docs"


def test_it_shows_all_that_a_person_calls() -> None:
    shown = [name for _, examples in generate_python.sections() for name in examples]
    assert sorted(shown) == sorted(generate_python.surface())


def test_every_example_runs(
    initialised: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(initialised, "ragpg", "examples")
    monkeypatch.chdir(initialised)
    names: dict[str, Any] = {}
    with MessagesServer() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        for _, examples in generate_python.sections():
            for name, example in examples.items():
                if name == "Evaluation.draft":
                    server.enqueue(*(answer(text_block(DRAFT.format(n=n))) for n in range(3)))
                if name == "Indexes.write_contexts":
                    server.enqueue(*(answer(text_block("Of the handbook.")) for _ in range(99)))
                exec(compile(example, name, "exec"), names)
                server.replies.clear()
    told = capsys.readouterr().out
    assert "7 0 ()" in told and "business days" in told and "The office opens at nine." in told
