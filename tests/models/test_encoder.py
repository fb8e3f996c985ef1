"""The query encoder in the database against the reference tokenizer and torch in float32."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from .small_models import Sql, minilm_folder, queries


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    loaded = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def sql_tokens(sql: Sql, key: int, texts: list[str]) -> list[list[int]]:
    rows = sql.execute(
        "select ragpg_internal.tokenize(%s, text) from unnest(%s::text[]) with ordinality as t (text, place) "
        "order by place",
        (key, texts),
    )
    return [row[0] for row in rows]


def reference_tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def test_tokens_of_real_queries(database: Sql, minilm: int, tokenizer: Tokenizer) -> None:
    texts = queries(2000)
    found = sql_tokens(database, minilm, texts)
    wrong = [
        t for t, ids in zip(texts, found, strict=True) if ids != reference_tokens(tokenizer, t)
    ]
    print(f"{len(texts)} queries, {len(wrong)} spelled otherwise; worst: {wrong[:1]}")
    assert len(texts) > 500 and not wrong


CHARACTERS = st.one_of(
    st.characters(codec="utf-8", exclude_characters="\0"),
    st.characters(min_codepoint=0x20, max_codepoint=0x7E),
    st.characters(min_codepoint=0x300, max_codepoint=0x36F),
    st.characters(min_codepoint=0x4DF0, max_codepoint=0x4E20),
    st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF),
    st.characters(min_codepoint=0x2000, max_codepoint=0x206F),
    st.characters(min_codepoint=1, max_codepoint=0x17F),
    st.sampled_from(["[MASK]", "[CLS]", "[", "]", "##", "İ", "ß", "Σ", "ﬁ", "가", " the ", "ing"]),
)


@given(st.lists(st.lists(CHARACTERS, max_size=30).map("".join), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_tokens_of_any_text(
    database: Sql, minilm: int, tokenizer: Tokenizer, texts: list[str]
) -> None:
    for text, ids in zip(texts, sql_tokens(database, minilm, texts), strict=True):
        assert ids == reference_tokens(tokenizer, text), ascii(text)


# Characters of Unicode 13 and 16 that a new Postgres decomposes and the reference does not.
NEWER = set(
    [
        "105c9",
        "105e4",
        "11383",
        "11385",
        "1138e",
        "11391",
        "113c5",
        "113c7",
        "113c8",
        "11938",
        "16121",
        "16122",
        "16123",
        "16124",
        "16125",
        "16126",
        "16127",
        "16128",
        "16d68",
        "16d69",
        "16d6a",
    ]
)


def test_every_character(database: Sql, minilm: int, tokenizer: Tokenizer) -> None:
    """Each character of Unicode alone is cleaned, split and lower-cased as by the reference."""
    characters = [chr(c) for c in range(1, 0x30000) if not 0xD800 <= c <= 0xDFFF]
    normalizer, splitter = tokenizer.normalizer, tokenizer.pre_tokenizer
    assert normalizer is not None and splitter is not None
    wrong = []
    for start in range(0, len(characters), 4000):
        chunk = characters[start : start + 4000]
        text = " ".join(f"k{character}m" for character in chunk)
        row = database.execute(
            "select ragpg_internal.normalize_text(%s, true, true)", (text,)
        ).fetchone()
        assert row is not None
        words = [w for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]
        if row[0].split(" ") != words and [w for w in row[0].split(" ") if w] != words:
            for character in chunk:
                one = f"k{character}m"
                row = database.execute(
                    "select ragpg_internal.normalize_text(%s, true, true)", (one,)
                ).fetchone()
                assert row is not None
                expected = splitter.pre_tokenize_str(normalizer.normalize_str(one))
                if [w for w in row[0].split(" ") if w] != [w for w, _ in expected]:
                    wrong.append(f"{ord(character):04x}")
    print(f"{len(characters)} characters, {len(wrong)} otherwise: {wrong[:60]}")
    assert set(wrong) <= NEWER


def test_long_word_is_unknown(database: Sql, minilm: int, tokenizer: Tokenizer) -> None:
    texts = ["a" * 100, "a" * 101, "", "   ", "x" * 5000 + " refund"]
    assert sql_tokens(database, minilm, texts) == [reference_tokens(tokenizer, t) for t in texts]
