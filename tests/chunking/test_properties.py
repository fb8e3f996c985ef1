"""Chunks and sentences are spans that cover the text and fit the window, whatever the text."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragpg.chunking import sentence_spans

from .chunks import chunk, count_tokens, covered

# fmt: off
WORDS = st.sampled_from([
    "alpha", "beta", "gamma", "e.g.", "3.14", "Dr.", "naïve", "日本語。", "\U0001f600", "a\u0301",
    "\u2028", "\u00a0", "\x0b", "\x85", "\u200b", "x_y", "`code`", "**bold**", "[a](b)", "C++", "Ω",
    "½", "\ufeff", "!?", "…", "/", "_", "*",
])
# fmt: on
LINE = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
PARAGRAPH = st.lists(LINE, min_size=1, max_size=4).map(". ".join)
HEADING = st.tuples(st.integers(1, 4), LINE).map(lambda h: "#" * h[0] + " " + h[1])
ITEMS = st.lists(
    st.one_of(LINE, st.tuples(LINE, PARAGRAPH).map("\n\n  ".join)), min_size=1, max_size=5
)
ROW = st.integers(0, 9**9).map(lambda n: f"| row {n} | cell of it |")
BLOCK = st.one_of(
    HEADING,
    LINE.map(lambda line: f"{line}\n==="),
    PARAGRAPH,
    LINE.map(lambda line: f"{line}:"),
    ITEMS.map(lambda items: "\n".join(f"- {item}" for item in items)),
    ITEMS.map(lambda items: "\n".join(f"{n}. {item}" for n, item in enumerate(items, 1))),
    st.lists(ROW, max_size=8).map(lambda rows: "\n".join(["| a | b |", "| --- | --- |", *rows])),
    st.lists(LINE | st.just(""), max_size=8).map(lambda code: "\n".join(["```py", *code, "```"])),
    st.lists(LINE, max_size=3).map(lambda code: "\n".join(f"    {line}" for line in code)),
    PARAGRAPH.map(lambda text: f"> {text}\n>\n> - {text}"),
    st.sampled_from(
        ["---", "[ref]: http://x.example 'T'", "<div>\n\n</div>", "```", "\t", "/" * 60]
    ),
    st.text(max_size=60),
)
DOCUMENT = st.lists(BLOCK, max_size=12).map("\n\n".join) | st.lists(BLOCK, max_size=8).map(
    "\n".join
)
MANY = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SIZES = st.integers(1, 60)
TITLES = st.sampled_from(["", "Title", "alpha", "A long title of many words " * 4])


@MANY
@given(DOCUMENT, SIZES, TITLES, st.sampled_from(["text/markdown", "text/html", "text/plain"]))
def test_chunks_cover_the_text_in_order_and_fit(
    text: str, max_tokens: int, title: str, media_type: str
) -> None:
    spans = chunk(text, max_tokens, title=title, media_type=media_type)
    assert covered(text, [(span.start_char, span.end_char) for span in spans])
    for span in spans:
        content = text[span.start_char : span.end_char]
        assert content and content == content.strip()
        assert span.token_count == count_tokens(content)
        assert count_tokens(span.context) <= max_tokens // 3
        assert span.token_count + count_tokens(span.context) <= max_tokens
    assert spans == chunk(text, max_tokens, title=title, media_type=media_type)


@MANY
@given(DOCUMENT, st.integers(2, 60), st.integers(1, 40))
def test_overlapping_chunks_advance_and_fit(text: str, max_tokens: int, overlap: int) -> None:
    overlap = min(overlap, max_tokens - 1)
    spans = chunk(text, max_tokens, title="T", overlap_tokens=overlap)
    for before, after in pairwise(spans):
        assert before.start_char < after.start_char and before.end_char < after.end_char
        assert not text[before.end_char : after.start_char].strip()
        shared = text[after.start_char : before.end_char]
        assert count_tokens(shared) <= overlap
    for span in spans:
        content = text[span.start_char : span.end_char]
        assert content == content.strip() != ""
        assert span.token_count + count_tokens(span.context) <= max_tokens


@MANY
@given(DOCUMENT)
def test_sentences_cover_the_text_in_order(text: str) -> None:
    spans = sentence_spans(text)
    assert covered(text, spans)
    assert all(text[a:b] == text[a:b].strip() != "" for a, b in spans)


@MANY
@given(st.lists(ROW, min_size=1, max_size=30), PARAGRAPH, st.integers(40, 80))
def test_rows_are_never_cut(rows: list[str], before: str, max_tokens: int) -> None:
    text = "\n".join([before, "", "| a | b |", "| --- | --- |", *rows, "", before])
    cuts = {at for span in chunk(text, max_tokens) for at in (span.start_char, span.end_char)}
    row_spans = [found.span() for found in re.finditer(r"^\|.*\|$", text, re.MULTILINE)]
    assert not [at for at in cuts for a, b in row_spans if a < at < b]
    for span in chunk(text, max_tokens):
        if text.startswith("| row", span.start_char):
            assert re.fullmatch(r"\| a \| b \|(\nrows \d+ to \d+)?", span.context)


@MANY
@given(st.lists(st.tuples(HEADING, PARAGRAPH), min_size=1, max_size=6), st.integers(30, 80))
def test_a_heading_is_never_left_alone_at_the_end(
    sections: list[tuple[str, str]], max_tokens: int
) -> None:
    text = "\n\n".join(f"# H{n} x\n\nThe start. {body}" for n, (_, body) in enumerate(sections))
    for span in chunk(text, max_tokens):
        assert not re.fullmatch(r"# H\d+ x", text[: span.end_char].rpartition("\n")[2])
