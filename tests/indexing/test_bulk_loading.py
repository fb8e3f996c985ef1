"""Documents that come with their embedding, many at once: as one by one, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg

from ..conftest import ROOT, WordEmbedder
from .adding import CHECK, value
from .tables import faq, write
from .test_interrupted import wait_for

TEXTS = [
    "The refund of the C++ client takes 10,000.50 s: it is what it is.",
    "Die Rückerstattung an den Datenschutzbeauftragten dauert fünf Tage.",
    "返金は五日かかります。 The e-mail says so.",
    "of the and the of",
    "Le remboursement de l\u2019été: caf\u00e9 o\u0301 \ufb01n\u00adal \u200b10\u00a0000",
    "  state-of-the-art v1.2 /usr/bin/rag_pg https://x.example.com/a?b=1  ",
]
METADATA: list[dict[str, Any]] = [
    {},
    {"tier": "pro", "year": 2026, "tags": ["a", "b"]},
    {"language": "de", "on": "2026-05-01", "in": {"it": None}},
]
ROWS = """
    select d.source, d.title, d.media_type, d.content, d.metadata::text, d.version, d.content_hash,
        d.source_hash, d.page_starts, d.tenant,
        c.document_version, c.ordinal, c.start_char, c.end_char, c.page, c.token_count,
        c.lexeme_count, c.language, c.context, c.content, c.content_hash, c.lexemes::text,
        c.embedding::text, c.generated_chars,
        s.document_version, s.chunk_count, s.pending_since, s.attempts, s.error,
        (select array_agg((v.kind, v.key, v.number, v.word)::text order by v)
         from (select kind, key, number, word from ragpg.document_values
               where document_id = d.id) as v),
        (select array_agg((v.version, v.title, v.content, v.metadata)::text order by v.version)
         from ragpg.document_versions as v where v.document_id = d.id)
    from ragpg.documents as d
    join ragpg.collections as collection on collection.id = d.collection_id
    join ragpg.chunks as c on c.document_id = d.id
    join ragpg.index_documents as s on s.document_id = d.id
    where collection.name = %s
    order by d.source
"""
COUNTS = """
    select known.lexeme, known.chunk_count, known.occurrence_count
    from ragpg.lexeme_statistics as known
    join ragpg.search_indexes as recipe on recipe.id = known.index_id
    join ragpg.collections as collection on collection.id = recipe.collection_id
    where collection.name = %s
    order by known.lexeme
"""
MEANS = """
    select stats.chunk_count, stats.mean_length, stats.languages, cardinality(embedding_sample)
    from ragpg.index_statistics as stats
    join ragpg.search_indexes as recipe on recipe.id = stats.index_id
    join ragpg.collections as collection on collection.id = recipe.collection_id
    where collection.name = %s
"""


def records(words: WordEmbedder, count: int, changed: int = 0) -> list[dict[str, Any]]:
    """Returns records of every kind of text; of each third one another version, if asked for."""
    made = []
    for n in range(count):
        text = TEXTS[n % len(TEXTS)] + (f" Version {changed}." if n % 3 == 0 and changed else "")
        one: dict[str, Any] = {
            "source": f"s{n:02}",
            "text": text,
            "embedding": words.embed_query(text),
        }
        one |= {"metadata": METADATA[n % len(METADATA)], "title": f"Title {n}" if n % 2 else None}
        made.append(one)
    return made


@pytest.mark.parametrize("language", ["english", "auto"])
def test_many_at_once_leave_the_rows_that_one_by_one_leaves(
    client: ragpg.Client,
    words: WordEmbedder,
    sql: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
) -> None:
    monkeypatch.setattr("ragpg.indexing.ready._BATCH", 5)
    many, single = client.collection("many"), client.collection("single")
    for changed in (0, 1, 2):
        given = records(words, 36, changed)
        report = many.add(records=given, language=language)
        assert (report.added, report.updated) == ((36, 0) if not changed else (0, 12))
        for one in given:
            assert not single.add(records=[one], language=language).failed
    for query in (ROWS, COUNTS, MEANS):
        found = sql.execute(query.encode(), ["many"]).fetchall()
        assert found == sql.execute(query.encode(), ["single"]).fetchall()
        assert found
    assert value(sql, CHECK) == 0
    assert sql.execute("select * from ragpg.verify()").fetchall() == []


def test_words_are_counted_without_those_that_have_a_label(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    client.collection().add(records=records(words, len(TEXTS)))
    assert value(sql, "select count(*) from ragpg.chunks where lexemes::text ~ '[BC]'") > 2
    wrong = """
        select count(*) from ragpg.chunks as chunk
        where lexeme_count <> (
            select count(*) from unnest(chunk.lexemes) as word
            cross join lateral unnest(word.weights) as label where label = 'D')
    """
    assert value(sql, wrong) == 0


def test_each_document_is_told_as_what_it_became(
    client: ragpg.Client, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server returns them by their source, whatever the order they were given in."""
    held = client.collection()
    given = records(words, 9)
    held.add(records=given[5:])
    changed = [{**one, "title": "Another"} for one in reversed(given)]
    told: dict[str, str] = {}
    report = held.add(
        records=changed, on_outcome=lambda outcome, source, reason: told.update({source: outcome})
    )
    assert (report.added, report.updated) == (5, 4)
    assert told == {f"s{n:02}": "added" if n < 5 else "updated" for n in range(9)}


def test_a_bad_one_among_many_fails_alone(
    client: ragpg.Client, words: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragpg.indexing.ready._BATCH", 8)
    given = records(words, 30)
    given[4]["text"] = "   "
    given[11]["embedding"] = np.ones(3, np.float32)
    given[20]["embedding"] = np.full(8, 1e6, np.float32)  # more than a half holds
    report = client.collection().add(records=given)
    assert (report.added, report.failed) == (27, 3)
    assert {one.source for one in report.failures} == {"s04", "s11", "s20"}


LOAD = """
import sys
sys.path.insert(0, {root!r})
import numpy as np
import ragpg
from tests.conftest import WordEmbedder

text = "The refund {{}} takes five days. " + "It is what it is. " * 40
records = [
    {{"source": f"s{{n}}", "text": text.format(n), "embedding": np.eye(8, dtype=np.float32)[n % 8]}}
    for n in range(12000)
]
given = {{"paths": sys.argv[2]}} if len(sys.argv) > 2 else {{"records": records}}
with ragpg.connect(sys.argv[1], embedder=WordEmbedder()) as client:
    report = client.collection("loaded").add(**given)
print(report.added, report.unchanged, report.failed)
"""


@pytest.mark.parametrize("kind", ["records", "parquet"])
def test_a_killed_load_goes_on_without_loss_or_doubles(
    url: str, sql: psycopg.Connection, tmp_path: Path, kind: str
) -> None:
    command = [sys.executable, "-c", LOAD.format(root=str(ROOT)), url]
    if kind == "parquet":
        command.append(str(write(faq(12000), tmp_path / "faq.parquet", rows=5000)))
    process = subprocess.Popen(command, env=dict(os.environ))
    wait_for(sql, "select count(*) > 1000 from ragpg.documents")
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    wait_for(
        sql,
        "select count(*) = 0 from pg_stat_activity where application_name = 'ragpg'"
        " and datname = current_database() and state <> 'idle'",
    )
    kept = value(sql, "select count(*) from ragpg.documents")
    assert 1000 < kept < 12000
    assert value(sql, "select count(*) from ragpg.chunks") == kept, "all of a batch, or nothing"
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == f"{12000 - kept} {kept} 0\n", done.stderr
    assert value(sql, "select count(distinct source) from ragpg.documents") == 12000
    assert value(sql, "select count(*) from ragpg.document_versions") == 0, "none written twice"
    assert (value(sql, CHECK), value(sql, "select count(*) from ragpg.ingest_queue")) == (0, 0)
    assert value(sql, "select chunks from ragpg.index_health where state = 'ready'") == 12000
