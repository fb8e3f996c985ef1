"""Files and texts become documents and chunks; nothing is half done, nothing is done twice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg import errors
from ragpg.models.embedding import Progress, Vectors

from ..conftest import WordEmbedder
from ..reading.scans import printed, scanned
from .adding import CHECK, value, write


def test_a_folder_is_ingested_once(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs")
    pages = client.collection("pages")
    first = pages.add(folder)
    assert (first.added, first.updated, first.unchanged, first.failed) == (4, 0, 0, 0)
    assert first.chunks_embedded == value(sql, "select count(*) from ragpg.chunks") > 4
    assert value(sql, CHECK) == 0
    words.embedded.clear()
    second = pages.add(folder)
    assert (second.added, second.updated, second.unchanged) == (0, 0, 4)
    assert words.embedded == [], "not even the probe: nothing changed"


def test_scanned_pages_are_told(
    client: ragpg.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(
        scanned(["Typed words of a page. " * 9, printed(["Words that were scanned."])])
    )
    pages = client.collection("pages")
    (left,) = pages.add(path).scans
    assert left.path == path.as_posix()
    assert "text is missing" in left.reason and left.reason.endswith(": 2")
    monkeypatch.setenv("RAGPG_OCR", "1")
    report = pages.add(path)
    assert report.updated == 1
    assert [one.reason for one in report.scans] == ["text of its scanned pages recognised: 2"]
    assert "Words that were scanned." in pages.search("scanned")[0].content
    assert pages.add(path).unchanged == 1


def test_only_changed_chunks_are_embedded_again(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs")
    pages = client.collection("pages")
    before = pages.add(folder)
    page = folder / "page2.md"
    page.write_text(page.read_text().replace("Paragraph 2 3", "Sentence 2 3"))
    words.embedded.clear()
    report = pages.add(folder)
    assert (report.added, report.updated, report.unchanged) == (0, 1, 3)
    assert report.chunks_embedded == 1 and report.chunks_reused > 1
    assert [text for text in words.embedded if "rate" in text] == [
        text for text in words.embedded if "Sentence 2 3" in text
    ]
    assert value(sql, "select count(*) from ragpg.chunks") == before.chunks_embedded
    assert value(sql, CHECK) == 0
    history = sql.execute("select version, content from ragpg.document_versions").fetchall()
    assert [(version, "Paragraph 2 3" in text) for version, text in history] == [(1, True)]


def test_equal_texts_are_embedded_once_and_both_found(client: ragpg.Client) -> None:
    twins = client.collection("twins")
    record = {"text": "The login needs a password.", "title": "Login"}
    report = twins.add(records=[{**record, "source": "a"}, {**record, "source": "b"}])
    assert (report.added, report.chunks_embedded, report.chunks_reused) == (2, 1, 1)
    assert {hit.source for hit in twins.search("password")} == {"a", "b"}


NASTY = {
    "nul": "before\0after",
    "bom": "\ufeffafter the mark",
    "surrogate": "lone \ud800 surrogate",
    "crlf": "one\r\ntwo\rthree",
    "separator": "line\u2028separator and \u0085 next line",
    "astral": "𝕳𝖊𝖑𝖑𝖔 👩‍👩‍👧 limit é",
    "long": "word" * 5000,
    "quotes": 'it\'s "quoted" \\ {} %s $1 --',
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("media_type", ["text/plain", "text/markdown", "text/html"])
def test_nasty_texts(
    client: ragpg.Client, sql: psycopg.Connection, name: str, media_type: str
) -> None:
    nasty = client.collection("nasty")
    report = nasty.add(text=NASTY[name], source=name, media_type=media_type)
    assert (report.added, report.failures) == (1, ())
    assert value(sql, CHECK) == 0
    assert nasty.add(text=NASTY[name], source=name, media_type=media_type).unchanged == 1


def test_a_long_document_is_cut_at_the_right_characters(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    """Longer than the blocks replace_chunks cuts from, with characters of one to four bytes."""
    text = "\n\n".join(f"Satz {n} über 𝕳𝖊𝖑𝖑𝖔 und limit {n}." * 3 for n in range(3000))
    client.collection("long").add(text=text, source="long")
    assert value(sql, "select char_length(content) from ragpg.documents") > 4 * 65536
    assert value(sql, CHECK) == 0


def test_what_cannot_be_read_is_reported_and_the_rest_done(
    client: ragpg.Client, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs", 2)
    (folder / "image.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
    (folder / "empty.txt").write_text(" \n")
    (folder / "latin.txt").write_bytes("Größe und Maß der Straße".encode("latin-1"))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    report = client.collection("pages").add(folder)
    assert (report.added, report.failed) == (3, 2)
    assert {Path(one.source).name for one in report.failures} == {"image.md", "empty.txt"}
    assert all(Path(one.source).name in one.reason for one in report.failures)
    assert [Path(one.path).name for one in report.skipped] == ["photo.jpg"]
    with pytest.raises(errors.LoadError, match="absent"):
        client.collection("pages").add(folder / "absent")


def test_metadata_comes_from_the_text_and_from_the_caller(client: ragpg.Client) -> None:
    one = client.collection("one")
    text = "---\ntitle: Front\nyear: 2026\n---\nThe rate limit."
    one.add(text=text, source="a", metadata={"tier": "pro"})
    (document,) = one.documents()
    assert (document.title, document.metadata) == (
        "Front",
        {"title": "Front", "year": 2026, "tier": "pro"},
    )
    changed = one.add(text=text, source="a", metadata={"tier": "free"})
    assert (changed.updated, changed.chunks_embedded) == (1, 0), "metadata alone embeds nothing"
    assert one.search("rate", filter='$.tier == "pro"') == []
    assert one.documents()[0].version == 2


def test_delete(client: ragpg.Client, sql: psycopg.Connection) -> None:
    one = client.collection("one")
    one.add(text="The rate limit.", source="a")
    assert one.delete("a") and not one.delete("a")
    assert one.search("rate limit") == [] and one.documents() == []
    assert value(sql, "select content from ragpg.document_versions") == "The rate limit."
    assert client.drop_collection("one") == 0
    assert client.collections() == []
    assert value(sql, "select count(*) from ragpg.document_versions") == 0
    assert value(sql, "select to_regclass('ragpg.chunks_1')") is None


def test_text_needs_a_source(client: ragpg.Client) -> None:
    with pytest.raises(errors.BadArgument, match="source"):
        client.collection("one").add(text="something")


class Impostor(WordEmbedder):
    """Another model behind the same name."""

    def embed_query(self, text: str) -> Vectors:
        return super().embed_query(text)[::-1].copy()


@pytest.mark.parametrize("name", ["", " ", "x" * 200, " a", "a ", "ü" * 25])
def test_a_name_that_breaks_the_rule_is_told_the_rule(client: ragpg.Client, name: str) -> None:
    with pytest.raises(errors.BadArgument, match="a collection's name is 1 to 48 bytes of UTF-8"):
        client.collection(name).add(text="a", source="b")
    assert client.collections() == []


def test_another_model_is_refused(client: ragpg.Client, url: str) -> None:
    client.collection("one").add(text="The rate limit.", source="a")
    with ragpg.connect(url, embedder=Impostor()) as impostor:
        with pytest.raises(errors.ModelMismatch, match="another embedding"):
            impostor.collection("one").add(text="New text.", source="b")
        with pytest.raises(errors.ModelMismatch, match="another embedding"):
            impostor.collection("one").search("rate")
    other = WordEmbedder()
    other.name = "other"
    with ragpg.connect(url, embedder=other) as stranger:
        with pytest.raises(errors.ModelMismatch, match="RAGPG_EMBEDDING_MODEL=words"):
            stranger.collection("one").search("rate")
        with pytest.raises(errors.ModelMismatch, match="was embedded with words"):
            stranger.collection("one").add(text="New text.", source="b")


class Broken(WordEmbedder):
    """Fails once it has embedded two batches."""

    def embed_documents(self, texts: Any, progress: Progress | None = None) -> Vectors:
        if len(self.embedded) > 600:
            raise RuntimeError("out of memory")
        return super().embed_documents(texts, progress)


def test_a_failing_model_loses_nothing_that_was_done(
    url: str, sql: psycopg.Connection, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs", 300)
    with ragpg.connect(url, embedder=Broken()) as client:
        with pytest.raises(errors.EmbeddingError, match="out of memory"):
            client.collection("pages").add(folder)
        stored = value(sql, "select count(*) from ragpg.documents")
        assert 0 < stored < 300
        assert client.collection("pages").search("rate limit", k=3, mode="keyword") == []
    with ragpg.connect(url, embedder=WordEmbedder()) as client:
        report = client.collection("pages").add(folder)
        assert (report.added, report.unchanged) == (300 - stored, stored)
        assert len(client.collection("pages").search("rate limit", k=500)) == 500


def test_a_folder_with_a_pipe_is_added_without_it(client: ragpg.Client, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("refund")
    os.mkfifo(tmp_path / "pipe.md")
    os.mkfifo(tmp_path / "pipe.jsonl")
    report = client.collection("docs").add(tmp_path)
    assert (report.added, report.failures) == (1, ())
    assert [(Path(one.path).name, one.reason) for one in report.skipped] == [
        ("pipe.jsonl", "a named pipe"),
        ("pipe.md", "a named pipe"),
    ]
