"""Texts without spaces: no chunk is all of them, none begins or ends within a grapheme."""

from __future__ import annotations

import random

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ragpg
from ragpg.chunking import ChunkSpan
from ragpg.indexing.indexer import cut
from ragpg.models import even_token_starts
from ragpg.reading import LoadedDocument

from ..conftest import WordEmbedder

THAI = "การคืนเงินจะใช้เวลาห้าวันทำการหลังจากที่ได้รับการอนุมัติแล้ว"
LAO = "ການຄືນເງິນຈະໃຊ້ເວລາຫ້າວັນເຮັດການຫຼັງຈາກໄດ້ຮັບການອະນຸມັດແລ້ວ"
KHMER = "ការសងប្រាក់វិញនឹងចំណាយពេលប្រាំថ្ងៃធ្វើការ"
HEX = "".join(random.Random(1).choices("0123456789abcdef", k=60_000))
RUNS = {
    "thai": THAI * 200, "lao": LAO * 200, "khmer": KHMER * 200, "korean": "환불은영업일기준오일이걸립니다" * 300,
    "hex": f"The key is {HEX} and the admin is ops.", "base64": "iVBORw0KGgo+/AAAANSUhEUg" * 4000,
    "one letter": "a" * 30_000, "flags": "🇩🇪🇫🇷" * 3000, "families": "👩‍👩‍👧‍👦" * 2000, "zalgo": ("e" + "\u0301\u0302\u0303" * 30) * 300,
    "jamo": "\u1112\u1161\u11ab" * 4000, "blanks": f"first{' ' * 50_000}last", "invisible": "\u200b" * 20_000 + "word",
    "hindi": "नमस्तेक्षत्रियज्ञान" * 500, "hash": "sha256:" + HEX[:64],
}  # fmt: skip


def chunks_of(text: str) -> list[ChunkSpan]:
    document = LoadedDocument(title="", content=text, media_type="text/plain", metadata={})
    return cut(document, WordEmbedder(), chunk_tokens=60)


def check(text: str, spans: list[ChunkSpan]) -> None:
    borders = {one.start() for one in regex.finditer(r"\X", text)} | {len(text)}
    borders |= {at + 1 for at, character in enumerate(text) if character.isspace()}
    covered = bytearray(len(text))
    for one in spans:
        assert {one.start_char, one.end_char} <= borders, "a grapheme was cut"
        content = text[one.start_char : one.end_char]
        longest = max((len(found[0]) for found in regex.finditer(r"\X", content)), default=0)
        assert len("".join(content.split())) <= 60 * 20 + longest
        assert len(content) <= 60 * 200 + longest
        covered[one.start_char : one.end_char] = b"x" * len(content)
    assert all(done or character.isspace() for done, character in zip(covered, text, strict=True))


@pytest.mark.parametrize("name", RUNS)
def test_a_run_without_spaces_is_cut(name: str) -> None:
    spans = chunks_of(RUNS[name])
    check(RUNS[name], spans)
    assert name in ("hash", "blanks", "invisible") or len(spans) > 3


PIECES = st.one_of(
    st.text(max_size=40),
    st.builds(lambda one, times: one * times, st.sampled_from([THAI, "🇩🇪", "e\u0301", "x", " ", "\n", "\u200d", "각"]), st.integers(1, 400)),
    st.sampled_from(["# Heading\n\n", "- item\n", ". ", "| a | b |\n|---|---|\n", "```\n"]),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, max_size=12).map("".join))
def test_every_text_is_covered_by_bounded_chunks(text: str) -> None:
    check(text, chunks_of(text))


def test_what_a_tokenizer_knows_is_counted_as_it_counts() -> None:
    text = "The refund takes five days, says internationalization.\n\n    def f(): pass\n" * 20
    embedder = WordEmbedder()
    known = [at for at in embedder.token_starts(text)]
    assert set(known) <= set(even_token_starts(embedder, text))
    plain = text.replace("internationalization", "everyone")
    assert even_token_starts(embedder, plain) == embedder.token_starts(plain)


def test_what_is_stored_is_bounded(client: ragpg.Client) -> None:
    collection = client.collection("help")
    collection.add(text=RUNS["hex"], source="key")
    with client.database.connection() as sql:
        row = sql.execute("select max(length(content)), count(*) from ragpg.chunks").fetchone()
    assert row is not None and row[0] <= 1200 and row[1] > 50
    assert collection.search("admin ops", 1)[0].content.endswith("the admin is ops.")
