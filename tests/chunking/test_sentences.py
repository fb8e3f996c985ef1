"""Sentences end where readers say they do."""

from __future__ import annotations

import pytest

from ragpg.chunking import sentence_spans


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["One.", "Two!", "Three?", "Four…", "Five"],
        ["Pi is 3.14 and v1.2.3 is out.", "Yes."],
        ["See e.g. Smith, i.e. Dr. J. K. Smith et al. There.", "No."],
        ["He said no.", "Then he left."],
        ["It is in Fig. 3 and no. 5.", "See there."],
        ['He asked "Why?"', "(She did not.)", "“So it goes.”", "**Bold.**", "End."],
        ['"Really?" he said.', "Yes."],
        ["यह पहला वाक्य है।", "दूसरा।"],
        ["Das ist z.B. so.", "Jawohl."],
        ["Wait... what?", "Yes."],
        ["A line that is\nwrapped twice\nby an editor.", "Next."],
        ["Table 9.9. Functions are listed here.", "More."],
        ["9.4. Functions"],
    ],
)
def test_sentences_of_prose(sentences: list[str]) -> None:
    assert split(" ".join(sentences)) == sentences


def test_sentences_without_spaces() -> None:
    sentences = ["これは文です。", "「本当です。」", "はい"]
    assert split("".join(sentences)) == sentences


@pytest.mark.parametrize(
    "lines",
    [
        ["- one", "- two three\n  goes on", "1. four", "2) five"],
        ["# Heading", "Text after it"],
        ["| a. B | c |", "| --- | --- |", "| d | e |"],
        ["```", "x = 1. Y", "# comment", "y = 2", "```", "After."],
        ["int x;", "int y;", "if (z) {", "x = 1"],
        ["As follows:", "it is so"],
        ["> quoted", "> more"],
    ],
)
def test_sentences_end_with_lines_that_are_not_wrapped_prose(lines: list[str]) -> None:
    assert split("\n".join(lines)) == lines
