"""Org mode becomes Markdown; what Org keeps for itself is left out."""

from __future__ import annotations

import pytest

from ragpg.reading import LoadedDocument, load_text


def load(source: str) -> LoadedDocument:
    return load_text(source, media_type="text/org", name="a.org")


_DOCUMENT = """#+TITLE: My /notes/
#+AUTHOR: Ann Lee
#+DATE: <2024-05-01 Wed>
#+FILETAGS: :a:b:
#+TODO: OPEN | SHUT
#+OPTIONS: toc:nil
# a comment

Intro
* TODO [#A] First heading   :tag:work:
:PROPERTIES:
:CUSTOM_ID: x
:END:
SCHEDULED: <2024-05-01 Wed>
Text.[fn:1]
** SHUT Second
- item
  - nested [fn:: inline]
- [X] done
- term :: its meaning
1) one
#+CAPTION: A table
| a | b |
|---+---|
| 1 | 2 |
#+BEGIN_SRC python :results output
  def f():
  ,* x
      return 1
#+END_SRC
#+begin_quote
Said *so*.
#+end_quote
#+begin_comment
hidden
#+end_comment
: fixed
: width
[[file:pic.png]]
-----
[fn:1] The note.
"""


def test_a_document_with_all_that_it_may_have() -> None:
    document = load(_DOCUMENT)
    assert document.title == "My notes"
    assert document.metadata == {"author": "Ann Lee", "date": "2024-05-01 Wed", "tags": ["a", "b"]}
    lines = [line for line in document.content.split("\n") if line]
    assert lines == [
        "Intro", "# First heading", "Text.[^1]", "## Second", "- item", "  - nested [inline]",
        "- [x] done", "- term: its meaning", "1. one", "A table", "| a | b |", "| --- | --- |",
        "| 1 | 2 |", "```python", "def f():", "* x", "    return 1", "```", "> Said **so**.", "```",
        "fixed", "width", "```", "---", "[^1]: The note.",
    ]  # fmt: skip
    assert "\n\n---\n" in document.content  # below a line it would make that a heading


@pytest.mark.parametrize(
    "source, expected",
    [
        ("*bold*, /italic/, =a*b=, ~code~, +gone+ and _under_", "**bold**, *italic*, `a*b`, `code`, ~~gone~~ and under"),
        ("a/b/c, 2*3*4, x_i and snake_case_name", "a/b/c, 2*3*4, x_i and snake_case_name"),
        ("[[https://x.org/a_b][a /link/]] [[https://x.org]] [[*Heading]]", "a *link* https://x.org Heading"),
        ("*bold with /italic/ in it*", "**bold with *italic* in it**"),
        ("* not a heading", "# not a heading"),
        ("*** TODOS and DONE", "### TODOS and DONE"),
        ("#+begin_src\nnever ended", "never ended"),
        (":LOGBOOK:\nnever ended", ":LOGBOOK:\nnever ended"),
        (":LOGBOOK:\n- a state\n:END:\ntext", "text"),
        ("#hashtag stays", "#hashtag stays"),
        ("<<target>>text", "targettext"),
        ("#+begin_example\n```\n#+end_example", "````\n```\n````"),
        ("#+begin_center\n* kept\n#+end_center", "# kept"),
    ],
)  # fmt: skip
def test_lines(source: str, expected: str) -> None:
    assert load(source).content.strip() == expected


def test_blocks_that_never_end_are_looked_for_once() -> None:
    """Each of 100,000 blocks would be looked for in all lines after it: some 40 minutes."""
    assert load("#+begin_src\n" * 100_000 + "text").content == "text"
    assert load(":a:\n" * 100_000 + "text").content.endswith("text")
