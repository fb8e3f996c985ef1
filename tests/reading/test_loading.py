"""Files become documents, or are refused by name; whatever their bytes, nothing else happens."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from pathlib import Path
from random import Random

import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st

from ragpg.errors import LoadError
from ragpg.reading import (
    MARKDOWN_MEDIA_TYPES,
    MEDIA_TYPES,
    SEVERAL_MEDIA_TYPES,
    clean_text,
    load_bytes,
    load_documents,
    load_path,
)
from ragpg.reading.media_types import BINARY_MEDIA_TYPES
from ragpg.reading.result import MAX_FILE_BYTES, join_pages, markdown_table

from ..conftest import SHARED_DATA

FIXTURES = SHARED_DATA / "fixtures_docling"
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="the files of fixtures_docling are not beside the checkout"
)


def test_load_path_says_what_is_wrong_with_which_file(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text(" \n")
    (tmp_path / "binary.txt").write_bytes(b"\x89PNG\r\n")
    for name, reason in (
        ("gone.md", "No such file"),
        ("sub.md", "cannot be read"),
        ("empty.md", "holds no text"),
        ("binary.txt", "PNG image"),
    ):
        (tmp_path / "sub.md").mkdir(exist_ok=True)
        with pytest.raises(LoadError, match=f"{re.escape(str(tmp_path / name))}.*{reason}"):
            load_path(tmp_path / name)


def test_load_path_reads_every_media_type_that_is_text(tmp_path: Path) -> None:
    other = BINARY_MEDIA_TYPES | SEVERAL_MEDIA_TYPES | {"text/csv", "text/tab-separated-values"}
    for suffix, media_type in MEDIA_TYPES.items():
        if media_type not in other:
            path = tmp_path / f"file{suffix.upper()}"
            path.write_bytes("\ufeffcafé\r\n".encode())
            document = load_path(path)
            assert document.media_type == media_type
            assert document.content.strip() == "café"
            assert (document.title, document.page_starts) == ("file", ())


def test_source_code_is_kept_to_the_character(tmp_path: Path) -> None:
    code = "# not a heading\ndef f(x):\n\treturn x | 1  # two  spaces\n\n\n"
    path = tmp_path / "f.py"
    path.write_text(code)
    document = load_path(path)
    assert (document.content, document.media_type) == (code, "text/x-python")
    assert "text/x-python" not in MARKDOWN_MEDIA_TYPES and "text/html" in MARKDOWN_MEDIA_TYPES


def test_a_file_of_unknown_kind_is_read_when_its_bytes_tell_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "unnamed"
    document = FPDF()
    document.add_page()
    document.set_font("helvetica")
    document.cell(text="Words.")
    path.write_bytes(bytes(document.output()))
    assert load_path(path).media_type == "application/pdf"
    path.write_bytes(b"\x1f\x8b\x08 packed")
    with pytest.raises(LoadError, match=r"unnamed: it is a gzip archive: unpack it"):
        load_path(path)


def test_an_enormous_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # a sparse file
    with pytest.raises(LoadError, match=r"huge.csv has 256 MiB, more than 256: split it"):
        load_path(path)


# Pages ------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from("ab \n\r\0\ufeff\U0001f600"), max_size=6), max_size=8))
def test_pages_are_found_again_at_their_starts(pages: list[str]) -> None:
    content, starts = join_pages(pages)
    assert len(starts) == len(pages) and list(starts) == sorted(starts)
    assert clean_text(content) == content
    if starts:
        assert starts[0] == 0
    texts = [clean_text(page).strip("\n\ufeff") for page in pages]
    for text, start in zip(texts, starts, strict=True):
        if text.strip():
            assert content.startswith(text, start) and start < len(content)
    last = max((n for n, text in enumerate(texts) if text.strip()), default=-1)
    assert all(start == len(content) for start in starts[last + 1 :])


@given(st.lists(st.lists(st.text(max_size=5), max_size=4), max_size=5))
def test_a_table_has_as_many_cells_in_every_line(rows: list[list[str]]) -> None:
    lines = markdown_table(rows).split("\n")
    counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert len(counts) == 1


# Whatever the bytes -----------------------------------------------------------------------------

HEADS = [b"", b"%PDF-1.4\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"From: a@b\n\n", b"From a\n",
         b"{", b"[{", b"a,b\n", b"<html>", b"---\na: "]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=200), st.sampled_from(sorted(MEDIA_TYPES)))
def test_no_bytes_raise_anything_but_load_error(head: bytes, data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        path.write_bytes(head + data)
        try:
            parts = list(load_documents(path, lambda suffix, error: None))
        except LoadError as error:
            assert str(path) in str(error)
        else:
            for part in parts:
                json.dumps(part.document.metadata, allow_nan=False).encode()
                assert clean_text(part.document.content) == part.document.content


@needs_fixtures
def test_no_damage_to_a_real_file_raises_anything_but_load_error() -> None:
    """Bytes changed at random, and files cut short: a fixed sample of each format."""
    random = Random(1)
    for suffix in (".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".ods"):
        smallest = min(FIXTURES.rglob(f"*/sources/*{suffix}"), key=lambda path: path.stat().st_size)
        sound = smallest.read_bytes()
        for _ in range(15):
            data = bytearray(sound)
            for _ in range(random.randint(1, 30)):
                data[random.randrange(len(data))] = random.randrange(256)
            damaged = bytes(data[: random.choice((len(data), random.randrange(len(data))))])
            with contextlib.suppress(LoadError):
                load_bytes(damaged, media_type=MEDIA_TYPES[suffix], name=f"x{suffix}")


@needs_fixtures
def test_every_real_file_is_loaded_or_refused_by_name() -> None:
    files = [path for path in sorted(FIXTURES.rglob("*")) if path.is_file()]
    assert len(files) > 200
    refused = []
    for path in files:
        try:
            documents = [part.document for part in load_documents(path)]
        except LoadError as error:
            assert path.as_posix() in str(error)
            refused.append(path)
        else:
            for document in documents:
                starts, content = document.page_starts, document.content
                assert document.title and content.strip()
                assert list(starts) == sorted(starts) and starts[:1] in ((), (0,))
                assert all(start <= len(content) for start in starts)
    assert {path.suffix for path in refused} <= {""}  # the license
