"""Chunks keep structures whole, and their context names where they are from."""

from __future__ import annotations

import re
from time import perf_counter

import pytest

from ragpg.chunking import chunk_text, sentence_spans
from ragpg.reading import find_files, load_path

from ..conftest import SHARED_DATA
from .chunks import chunk, contents, count_tokens, covered, token_starts

FASTAPI_PAGES = SHARED_DATA / "docs_fastapi_md" / "docs" / "en"

HANDBOOK = """# Handbook

Welcome to the handbook of the shop.

## Refunds

Refunds take five working days. They go to the card that paid. Ask support when one is late.

### Exceptions

Gift cards are not refunded.

## Shipping

Parcels leave on weekdays.
"""


def test_a_small_document_is_one_chunk() -> None:
    assert contents(HANDBOOK, 200, title="Handbook") == [("Handbook", HANDBOOK.strip())]


def test_sections_are_chunks_and_context_is_their_heading_path() -> None:
    assert contents(HANDBOOK, 34, title="Handbook") == [
        ("Handbook", "# Handbook\n\nWelcome to the handbook of the shop."),
        (
            "Refunds",
            "## Refunds\n\nRefunds take five working days. They go to the card that paid. "
            "Ask support when one is late.",
        ),
        ("Refunds > Exceptions", "### Exceptions\n\nGift cards are not refunded."),
        ("Shipping", "## Shipping\n\nParcels leave on weekdays."),
    ]


def test_small_sections_of_one_parent_share_a_chunk_and_its_context() -> None:
    text = "# A\n\n" + "\n\n".join(f"## S{n}\n\nWords of it {n}." for n in range(6))
    assert contents(text, 45, title="A") == [
        ("A", text[: text.index("## S3")].strip()),
        ("", text[text.index("## S3") :]),
    ]


def test_a_tail_is_not_joined_to_another_section() -> None:
    text = "# A\n\nOne two three four five. Six seven eight nine ten.\n\n# B\n\nEleven."
    assert [content for _, content in contents(text, 9)] == [
        "# A\n\nOne two three four five.",
        "Six seven eight nine ten.",
        "# B\n\nEleven.",
    ]


TABLE = "| name | tier |\n| --- | --- |\n" + "\n".join(f"| user {n} | pro |" for n in range(4))


def test_a_table_is_split_between_rows_and_later_parts_carry_its_header() -> None:
    rows = TABLE.split("\n")
    assert contents(f"# T\n\n{TABLE}", 36) == [
        ("T", "# T\n\n" + "\n".join(rows[:3])),
        ("T\n| name | tier |", "\n".join(rows[3:])),
    ]


def test_header_rows_and_the_names_of_groups_stay_with_their_rows() -> None:
    head = "|  | Fiscal |  |\n|---|---|---|\n|  | 2019 | 2018 |\n"
    groups = [
        f"| {name}: |  |  |\n" + "\n".join(f"| {name} {n} | {n} | {n} |" for n in range(4)) + "\n"
        for name in ("Land", "Water", "Air")
    ]
    spans = chunk(head + "".join(groups), 64)
    text = head + "".join(groups)
    assert len(spans) > 2
    assert spans[0].context == "" and text.startswith(head, spans[0].start_char)
    row = 0
    for span in spans[1:]:
        header, rows = span.context.rsplit("\n", 1)
        assert header == "|  | Fiscal |  |\n|  | 2019 | 2018 |"
        content = text[span.start_char : span.end_char].split("\n")
        assert not content[-1].endswith("|  |  |"), "a name goes with what it names"
        first, last = (int(n) for n in re.findall(r"\d+", rows))
        assert last - first + 1 == len(content) and first > row
        row = last
    assert row == 15


def test_unwrapped_lines_are_paragraphs() -> None:
    line = "word " * 50 + "end.\n"
    spans = chunk(line * 4, 70, media_type="text/plain")
    assert [(s.start_char, s.end_char) for s in spans] == [
        (n * len(line), (n + 1) * len(line) - 1) for n in range(4)
    ]
    wrapped = "word " * 10 + "\n"
    assert len(chunk(wrapped * 4, 60, media_type="text/plain")) == 1


def test_code_is_cut_by_definition() -> None:
    body = "\n".join(f"    step_{n} = {n}" for n in range(6))
    text = f'''"""Module."""
import os

# What it does.
@cached
def first(a):
{body}

class Second:
    def one(self):
{body}

    def two(self):
{body}

def third():
    return 1
'''
    spans = chunk(text, 36, media_type="text/x-python")
    contents = [text[span.start_char : span.end_char] for span in spans]
    assert any(one.startswith("# What it does.\n@cached\ndef first") for one in contents)
    assert any(one.startswith("class Second:") for one in contents)
    (rest,) = [s for s, c in zip(spans, contents, strict=True) if c.startswith("def two")]
    assert rest.context == "class Second:"
    assert contents[-1].startswith("def third")


def test_a_definition_stays_with_its_term_and_its_rest_carries_it() -> None:
    text = (
        "- naptime (integer)\n\n  One two three four five six.\n\n  Seven eight nine ten eleven.\n"
    )
    assert contents(text, 16) == [
        ("naptime (integer)", "- naptime (integer)\n\n  One two three four five six."),
        ("naptime (integer)", "Seven eight nine ten eleven."),
    ]


def test_list_items_stay_whole() -> None:
    text = "Before we go:\n\n" + "".join(f"- item {n} is here.\n- And {n}.\n" for n in range(3))
    assert [content for _, content in contents(text, 22)] == [
        "Before we go:\n\n- item 0 is here.\n- And 0.",
        "- item 1 is here.\n- And 1.\n- item 2 is here.\n- And 2.",
    ]


def test_code_is_split_at_blank_lines() -> None:
    text = "```py\na = 1\nb = 2\n\nc = 3\nd = 4\n\ne = 5\nf = 6\n```\n"
    assert [content for _, content in contents(text, 19)] == [
        "```py\na = 1\nb = 2",
        "c = 3\nd = 4\n\ne = 5\nf = 6\n```",
    ]


def test_code_without_blank_lines_is_split_between_lines() -> None:
    text = "```py\n" + "".join(f"name_{n} = call({n})\n" for n in range(6)) + "```\n"
    for _, content in contents(text, 22):
        assert re.fullmatch(r"(```py\n)?(name_\d = call\(\d\)\n?){1,4}(```)?", content)


def test_a_block_that_fits_is_not_split_to_fill_a_chunk() -> None:
    code = "```\n" + "x = 1\n\n" * 5 + "```"
    text = f"{'word ' * 16}.\n\n{code}\n\n{'word ' * 16}.\n"
    assert code in [content for _, content in contents(text, 24)]


def test_plain_text_is_split_at_paragraphs_and_has_no_headings() -> None:
    text = "# One two three.\n\n| four | five |\n\nSix seven eight."
    spans = chunk(text, 8, title="T", media_type="text/plain")
    assert [text[span.start_char : span.end_char] for span in spans] == text.split("\n\n")
    assert [span.context for span in spans] == ["T", "", ""], "the title goes before the first"


def test_long_sentences_are_cut_evenly_at_white_space() -> None:
    text = "word " * 25
    assert [span.token_count for span in chunk(text, 10)] == [9, 8, 8]


def test_a_run_without_white_space_is_cut_at_tokens() -> None:
    text = "/" * 25
    assert [span.token_count for span in chunk(text, 10)] == [9, 8, 8]


def test_overlap_repeats_whole_sentences_within_the_window() -> None:
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve."
    spans = chunk(text, 12, overlap_tokens=4)
    assert [text[span.start_char : span.end_char] for span in spans] == [
        "One two three. Four five six.",
        "Four five six. Seven eight nine. Ten eleven twelve.",
    ]


def test_overlap_does_not_reach_into_another_section() -> None:
    text = "# A\n\nOne two three.\n\n# B\n\nFour five six. Seven eight nine.\n"
    assert [content[:3] for _, content in contents(text, 12)] == ["# A", "# B"]
    spans = chunk(text, 14, overlap_tokens=4)
    assert {text[span.start_char] for span in spans} <= {"#", "F", "S"}


@pytest.mark.parametrize("overlap", [0, 4, 7])
@pytest.mark.parametrize("max_tokens", [16, 24, 48, 160, 320])
def test_context_names_the_section_a_chunk_begins_in(max_tokens: int, overlap: int) -> None:
    sections = [f"# H{n}\n\n" + f"It is s{n} here. " * (1 + n * 7 % 11) for n in range(40)]
    text = "\n\n".join(sections)
    for span in chunk(text, max_tokens, overlap_tokens=overlap):
        content = text[span.start_char : span.end_char]
        named = set(re.findall(r"s(\d+)", content))
        assert named == set(re.findall(r"H(\d+)", content + span.context))
        assert (len(named) == 1) == bool(span.context)


def test_a_long_context_keeps_the_start_of_the_title_and_the_last_heading() -> None:
    text = "# First " + "middle " * 20 + "\n\n## Last heading\n\n" + "word " * 20
    title = "Title " + "and so on " * 9
    first, *others = chunk(text, 30, title=title)
    assert first.context.startswith("Title and so")
    (span, *_) = [one for one in others if "Last" in one.context]
    assert span.context.startswith("First middle")
    assert span.context.endswith("> Last heading")
    assert count_tokens(span.context) <= 10


def test_markup_does_not_reach_the_context() -> None:
    text = "# The `call` { #call }\n\ntext"
    assert chunk(text, 20, title="T")[0].context == "T > The call"


def test_what_a_tokenizer_counts_anew_at_a_cut_still_fits() -> None:
    """A token that is merged in the text and falls apart in a chunk, as subwords do at a cut."""
    text = "a/b/" * 40
    spans = chunk_text(
        text,
        title="",
        media_type="text/plain",
        token_starts=range(0, len(text), 2),
        count_tokens=lambda content: 1 + len(content) // 2 + len(content) % 2,
        max_tokens=16,
    )
    assert all(1 + (span.end_char - span.start_char + 1) // 2 <= 16 for span in spans)


@pytest.mark.parametrize(("max_tokens", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_sizes_that_cannot_be_are_refused(max_tokens: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        chunk("text", max_tokens, overlap_tokens=overlap)


@pytest.mark.parametrize("text", ["", " \n\n\u2028 \t"])
def test_nothing_gives_no_chunks(text: str) -> None:
    assert chunk(text, 10) == []
    assert sentence_spans(text) == []


# Real text --------------------------------------------------------------------------------------


@pytest.mark.skipif(
    not FASTAPI_PAGES.is_dir(), reason="FastAPI's pages are not beside the checkout"
)
def test_real_pages_chunk_fast_and_evenly() -> None:
    pages = [load_path(path) for _, path in find_files([FASTAPI_PAGES]).files[:60]]
    start, sizes = perf_counter(), []
    for page in pages:
        spans = chunk_text(
            page.content,
            title=page.title,
            media_type=page.media_type,
            token_starts=token_starts(page.content),
            count_tokens=count_tokens,
            max_tokens=254,
        )
        assert covered(page.content, [(span.start_char, span.end_char) for span in spans])
        sizes += [span.token_count for span in spans]
    megabytes = sum(len(page.content) for page in pages) / 1e6
    assert perf_counter() - start < 10 * megabytes
    assert sum(size < 25 for size in sizes) < len(sizes) / 20
