"""Kills, other processes, other writers and other formats while documents are added."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import docx
import fpdf
import openpyxl
import psycopg
import pytest

import ragpg
from ragpg import errors

from ..conftest import ROOT, WordEmbedder
from .adding import CHECK, value, write

CHILD = """
import sys, time
sys.path.insert(0, {root!r})
import ragpg
from tests.conftest import WordEmbedder

class Slow(WordEmbedder):
    def embed_documents(self, texts, progress=None):
        time.sleep(len(texts) * {seconds})
        return super().embed_documents(texts, progress)

with ragpg.connect({url!r}, embedder=Slow()) as client:
    report = client.collection("pages").add({folder!r})
    print(report.added, report.updated, report.unchanged, report.failed)
"""


def start_child(url: str, folder: Path, seconds: float) -> subprocess.Popen[str]:
    code = CHILD.format(root=str(ROOT), url=url, folder=str(folder), seconds=seconds)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_kill_9_in_the_middle_then_again(
    url: str, sql: psycopg.Connection, client: ragpg.Client, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs", 400)
    child = start_child(url, folder, 0.0005)
    deadline = time.monotonic() + 60
    while not value(sql, "select count(*) from ragpg.documents") and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    stored = value(sql, "select count(*) from ragpg.documents")
    assert 0 < stored < 400
    half = "select count(*) from ragpg.document_status where not indexed or chunks = 0"
    assert (value(sql, half), value(sql, CHECK)) == (0, 0)
    report = client.collection("pages").add(folder)
    assert (report.added, report.unchanged, report.failed) == (400 - stored, stored, 0)
    assert (value(sql, half), value(sql, CHECK)) == (0, 0)
    sources = {hit.source for hit in client.collection("pages").search("rate limit", k=5000)}
    assert len(sources) == 400
    health = sql.execute(
        "select state, chunks = counted_chunks, indexes_valid from ragpg.index_health"
    )
    assert health.fetchall() == [("ready", True, True)]


def test_two_processes_add_the_same_folder_at_once(
    url: str, sql: psycopg.Connection, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs", 60)
    children = [start_child(url, folder, 0.001) for _ in range(2)]
    told = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0], told
    assert [errors for _, errors in told] == ["", ""]
    counts = [[int(number) for number in text.split()] for text, _ in told]
    assert sum(added for added, *_ in counts) == 60
    assert all(sum(each) == 60 and each[3] == 0 for each in counts)
    assert value(sql, "select count(*) from ragpg.documents where version = 1") == 60
    assert value(sql, "select count(*) from ragpg.search_indexes") == 1
    assert value(sql, CHECK) == 0


def test_a_reader_sees_the_old_or_the_new_document(
    client: ragpg.Client, url: str, sql: psycopg.Connection
) -> None:
    """A replacing transaction in flight is not seen, in any leg; once done it is, in every leg."""
    one = client.collection("one")
    one.add(text="The old rate limit.", source="a")
    chunk = "select content, document_version from ragpg.search('limit', collection => 'one')"
    with psycopg.connect(url) as writer:
        writer.execute("select ragpg.put_document('one', 'a', 'The new money limit.')")
        writer.execute(
            """
            select ragpg_internal.replace_chunks(
                chunk.index_id, chunk.document_id, 2, array[0], array[20], array[''], array[5],
                array[chunk.embedding])
            from ragpg.chunks as chunk
            """
        )
        assert sql.execute(chunk).fetchall() == [("The old rate limit.", 1)]
        writer.commit()
    assert sql.execute(chunk).fetchall() == [("The new money limit.", 2)]


def test_sql_writers_are_seen_in_the_queue(client: ragpg.Client, sql: psycopg.Connection) -> None:
    client.collection("one").add(text="The rate limit.", source="a")
    sql.execute("insert into ragpg.documents (collection_id, source, content) values (1, 'b', 'x')")
    sql.execute("update ragpg.documents set content = 'changed' where source = 'a'")
    queue = "select source, version, indexed_version from ragpg.ingest_queue order by source"
    assert sql.execute(queue).fetchall() == [("a", 2, 1), ("b", 1, None)]
    status = "select documents, pending_documents from ragpg.collection_status"
    assert sql.execute(status).fetchone() == (2, 2)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("insert into ragpg.collections (name) values (' x')", "collections_name_is_short_and_trimmed"),
        ("insert into ragpg.collections (name) values (repeat('ü', 30))", "collections_name_is_short_and_trimmed"),
        ("insert into ragpg.documents (collection_id, source, content) values (1, ' ', '')", "documents_source_is_not_blank"),
        ("update ragpg.documents set metadata = '[]'", "documents_metadata_is_an_object"),
        ("update ragpg.search_indexes set vector_weight = 2", "search_indexes_vector_weight_is_a_share"),
        ("update ragpg.search_indexes set state = 'odd'", "search_indexes_state_is_known"),
        ("update ragpg.search_indexes set overlap_tokens = chunk_tokens", "search_indexes_overlap_is_less_than_a_chunk"),
        ("update ragpg.search_indexes set ef_search = 0", "search_indexes_ef_search_is_in_range"),
        ("update ragpg.search_indexes set candidates = 0", "search_indexes_candidates_is_positive"),
        ("update ragpg.search_indexes set min_similarity = 2", "search_indexes_min_similarity_is_a_cosine"),
        ("update ragpg.search_indexes set chunk_tokens = 0", "search_indexes_chunk_tokens_is_positive"),
        ("update ragpg.embedding_models set dimensions = 5", "embedding_models_probe_has_the_dimensions"),
        ("update ragpg.embedding_models set max_tokens = 0", "embedding_models_max_tokens_is_positive"),
        ("update ragpg.chunks set end_char = end_char + 1", "chunks_span_is_as_long_as_the_content"),
        ("update ragpg.chunks set embedding = '[1,2]'", "chunks_embedding_has_8_dimensions"),
    ],
)  # fmt: skip
def test_each_constraint_refuses_by_name(
    client: ragpg.Client, sql: psycopg.Connection, statement: str, constraint: str
) -> None:
    client.collection("one").add(text="The rate limit.", source="a")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        sql.execute(statement.encode())
    assert caught.value.diag.constraint_name == constraint


def test_threads_share_a_client(client: ragpg.Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pages = client.collection("pages")
    with ThreadPoolExecutor(8) as threads:
        reports = list(
            threads.map(lambda n: pages.add(text=f"The rate limit {n}.", source=f"s{n}"), range(24))
        )
        hits = list(threads.map(lambda n: pages.search(f"rate limit {n}", k=24), range(24)))
    assert all(report.added == 1 for report in reports)
    assert all(len(found) == 24 for found in hits)


def test_documents_that_come_with_their_embedding(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    one = client.collection("one")
    texts = {f"d{n}": f" The refund number {n}." for n in range(2500)}
    given = [
        {"source": source, "text": text, "title": "T", "embedding": words.embed_query(text)}
        for source, text in texts.items()
    ]
    words.embedded.clear()
    report = one.add(records=[*given, {"source": "plain", "text": "The login."}])
    assert (report.added, report.failed, report.chunks_embedded) == (2501, 0, 1)
    assert [text for text in words.embedded if "refund" in text] == []
    assert (value(sql, CHECK), value(sql, "select count(*) from ragpg.ingest_queue")) == (0, 0)
    hits = one.search("refund", k=3000)
    assert {hit.content for hit in hits} >= {text.strip() for text in texts.values()}
    assert one.add(records=given).unchanged == 2500
    made = one.indexes.create(chunk_tokens=20)
    changed = {**given[7], "text": "The rate limit.", "embedding": words.embed_query("rate limit")}
    broken = {**given[8], "text": "Another.", "embedding": [1.0, 2.0]}
    report = one.add(records=[changed, broken, changed])
    assert (report.updated, report.unchanged, report.failed) == (1, 0, 1)
    assert "expected 8" in report.failures[0].reason or "dimensions" in report.failures[0].reason
    assert one.search("rate limit", k=1)[0].source == "d7"
    assert value(sql, CHECK) == 0
    assert one.search("rate limit", k=1, index_id=made.id)[0].source == "d7", "the other one too"


def test_records_of_a_file_are_documents_that_change_one_by_one(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "faq.jsonl"
    lines = [f'{{"id": "q{n}", "text": "Answer {n}.", "tier": "pro"}}' for n in range(3)]
    path.write_text("\n".join([*lines, "no json"]))
    faq = client.collection("faq")
    first = faq.add(path)
    assert (first.added, first.failed) == (3, 1)
    assert first.failures[0].source == f"{path}#4"
    assert [one.source for one in faq.documents()] == [f"{path}#q{n}" for n in range(3)]
    assert faq.documents()[0].metadata == {"id": "q0", "tier": "pro"}
    words.embedded.clear()
    again = faq.add(path)
    assert (again.added, again.unchanged, again.failed) == (0, 3, 1)
    assert words.embedded == [], "nothing changed"
    path.write_text("\n".join([lines[0], lines[1].replace("Answer", "Reply"), lines[2]]))
    third = faq.add(path)
    assert (third.updated, third.unchanged, third.failed) == (1, 2, 0)


def test_office_files_are_found_searched_and_skipped_when_unchanged(
    client: ragpg.Client, sql: psycopg.Connection, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    for row in (["Plan", "Price"], ["Pro", 20], ["Team", 49]):
        book["Sheet"].append(row)
    book.save(tmp_path / "prices.xlsx")
    document = docx.Document()
    document.add_heading("Refunds", 1)
    document.add_paragraph("Money is returned within five days.")
    document.save(str(tmp_path / "refunds.docx"))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    office = client.collection("office")
    first = office.add(tmp_path)
    assert (first.added, first.failed) == (2, 1)
    assert "broken.pdf: it is a damaged PDF" in first.failures[0].reason
    assert value(sql, CHECK) == 0
    (hit,) = office.search("when is money returned", k=1)
    assert (hit.source, hit.title) == (f"{tmp_path}/refunds.docx", "Refunds")
    (hit,) = office.search("price of the team plan", k=1)
    assert "| Team | 49 |" in hit.content
    again = office.add(tmp_path)
    assert (again.unchanged, again.failed) == (2, 1)


def test_a_search_imports_no_loader_of_office_files() -> None:
    heavy = ["pypdfium2", "lxml", "pptx", "python_calamine", "docutils", "PIL"]
    code = f"import sys, ragpg.client; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr


def test_chunks_of_a_pdf_know_their_page(client: ragpg.Client, tmp_path: Path) -> None:
    report = fpdf.FPDF()
    report.set_font("helvetica", size=11)
    for subject in ("refund", "login", "rate limit"):
        report.add_page()
        report.multi_cell(0, text=f"Of the {subject}. " + f"The {subject} is told here. " * 30)
    (tmp_path / "report.pdf").write_bytes(bytes(report.output()))
    docs = client.collection("docs")
    docs.add(tmp_path / "report.pdf")
    pages = {hit.page: hit.content for hit in docs.search("told here", k=50)}
    assert set(pages) == {1, 2, 3}
    assert "login" in pages[2]
    assert docs.search("rate limit", k=1)[0].page == 3


def test_documents_with_their_embedding_are_told_and_stopped_like_others(
    client: ragpg.Client, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragpg.indexing.ready._BATCH", 2)
    stop = threading.Event()
    told: list[tuple[str, str]] = []

    def hear(outcome: str, source: str, reason: str) -> None:
        told.append((outcome, source))
        stop.set()

    vector = words.embed_query("refund")
    records = [{"text": f"Refund {n}", "source": f"{n:02}", "embedding": vector} for n in range(40)]
    report = client.collection().add(records=records, on_outcome=hear, stop=stop)
    assert told[:2] == [("added", "00"), ("added", "01")]
    assert 2 <= report.added <= 10, "what was on its way, a batch for each writer, and one"
    stored = [one.source for one in client.collection().documents()]
    assert [("added", source) for source in stored] == sorted(told)
    again = client.collection().add(records=records, on_outcome=hear)
    assert (again.added, again.unchanged, len(told)) == (40 - len(stored), len(stored), 40)


def test_a_lost_connection_is_no_fault_of_a_document(
    client: ragpg.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contextual search index asks the database while a document is prepared."""

    def prepare(*_: object) -> None:
        raise errors.ConnectionFailed

    monkeypatch.setattr("ragpg.indexing.indexer.Indexer.prepare", prepare)
    with pytest.raises(errors.ConnectionFailed):
        client.collection().add(text="Refunds take five days.", source="one")
