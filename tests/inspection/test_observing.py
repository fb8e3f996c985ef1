"""What is logged, measured and shown of a database in use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import psycopg
import pytest
from pgvector.psycopg import register_vector
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import ragpg

from ..conftest import ROOT, role
from ..database.test_sql_surface import cite, handbook, rows

__all__ = ["handbook"]


def logged(sql: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows(
        sql, "select query, mode, k, filtered, hit_count, share from ragpg.searches order by id"
    )


def share(sql: psycopg.Connection, value: float) -> None:
    sql.execute("update ragpg.collections set search_log_share = %s", (value,))


def test_searches_are_logged_when_wanted(
    handbook: ragpg.Collection, sql: psycopg.Connection
) -> None:
    handbook.search("refunds")
    assert logged(sql) == []
    share(sql, 1)
    assert len(handbook.search("password reset", k=2)) == 2
    handbook.search("password", mode="keyword")
    assert handbook.search("password", filter='$.tier == "none"') == []
    sql.execute("select * from ragpg.search('password', index_id => 1)")  # evaluation's own
    assert logged(sql) == [
        ("password reset", "hybrid", 2, False, 2, 1.0),
        ("password", "keyword", 10, False, 1, 1.0),
        ("password", "hybrid", 10, True, 0, 1.0),
    ]
    ((embedded, similarity),) = rows(
        sql, "select query_embedding is not null, best_similarity from ragpg.searches where k = 2"
    )
    assert embedded and similarity == pytest.approx(handbook.search("password reset")[0].similarity)
    found = rows(
        sql,
        "select mode, logged_searches, searches, zero_hit_share from ragpg.searches_by_day"
        " order by mode",
    )
    assert [(mode, one, all) for mode, one, all, _ in found] == [
        ("hybrid", 3, 3),
        ("keyword", 1, 1),
    ]
    assert found[0][3] == pytest.approx(1 / 3)
    assert rows(sql, "select query, fewest_hits from ragpg.unanswered_searches")[0] == (
        "password",
        0,
    )
    assert rows(sql, "select ragpg.prune_searches('0 s')") == [(4,)]


def test_a_share_of_the_searches(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    share(sql, 0.5)
    sql.execute("select setseed(0.5)")
    for _ in range(60):
        sql.execute("select * from ragpg.search('refunds', mode => 'keyword')")
    kept = len(logged(sql))
    assert 10 < kept < 50
    assert rows(sql, "select searches from ragpg.searches_by_day") == [(2 * kept,)]


def test_the_log_is_never_in_the_way(
    handbook: ragpg.Collection, sql: psycopg.Connection, url: str, server: str
) -> None:
    share(sql, 1)
    search = "select source from ragpg.search('refunds', 1, mode => 'keyword')"
    with psycopg.connect(url) as reading:
        reading.read_only = True
        assert reading.execute(search.encode()).fetchall() == [("refunds",)]
    assert logged(sql) == []
    # Somebody holds the collection's row: the search neither waits nor is logged.
    with psycopg.connect(url) as holder:
        holder.execute("select 1 from ragpg.collections for update")
        sql.execute("set lock_timeout = '2s'")
        assert rows(sql, search) == [("refunds",)]
        holder.rollback()
    assert logged(sql) == []
    # A role that may only read is logged, and cannot write the log itself.
    role(server, "observe_reader")
    sql.execute("select ragpg.grant_reader('observe_reader')")
    with psycopg.connect(url.replace("postgres:@", "observe_reader:@"), autocommit=True) as reader:
        assert reader.execute(search.encode()).fetchall() == [("refunds",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("delete from ragpg.searches")
    assert len(logged(sql)) == 1


def test_stale_citations_and_cost(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    for source in ("refunds", "limits", "login", "café"):
        cite(sql, source, 8)
    assert rows(sql, "select * from ragpg.stale_citations") == []
    handbook.add(text="Since May: Refunds take ten days.", source="refunds")
    handbook.add(text="No limits.", source="limits")
    handbook.delete("login")
    stale = rows(
        sql,
        "select source, cited_version, current_version, quote_is from ragpg.stale_citations"
        " order by source",
    )
    assert stale == [
        ("limits", 1, 2, "gone"),
        ("login", 1, None, "deleted"),
        ("refunds", 1, 2, "kept"),
    ]
    assert rows(sql, "select cost, grounded_share from ragpg.answers_by_day") == [(None, 1.0)]
    sql.execute("insert into ragpg.model_prices values ('m', 3, 15, 0.3, 3.75)")
    ((cost,),) = rows(sql, "select cost from ragpg.answers_by_day")
    assert float(cost) == pytest.approx(4 * (3 + 15) / 1e6)


def test_lag_and_chunk_sizes(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    lag = "select waiting_documents, failing_documents, lag_seconds > 0 from ragpg.ingest_lag"
    assert rows(sql, lag) == [(0, 0, False)]
    sql.execute("select ragpg.put_document('handbook', 'new', 'Some words.')")
    assert rows(sql, lag) == [(1, 0, True)]
    bins = rows(
        sql, "select from_tokens, to_tokens, chunks, share from ragpg.chunk_sizes order by 1"
    )
    sizes = [count for (count,) in rows(sql, "select token_count from ragpg.chunks")]
    for low, high, chunks, _ in bins:
        assert chunks == sum(low <= size <= high for size in sizes) > 0
    assert sum(chunks for _, _, chunks, _ in bins) == len(sizes)
    assert sum(part for *_, part in bins) == pytest.approx(1)
    assert rows(sql, "select * from ragpg.slow_queries()") == []  # not installed here


def many_chunks(client: ragpg.Client, sql: psycopg.Connection, count: int) -> Any:
    """Stores chunks with random embeddings in a new search index; returns ids and unit vectors."""
    client.collection("many").add(text="one", source="one")
    ((index,),) = rows(sql, "select active_index_id from ragpg.collections where name = 'many'")
    register_vector(sql)
    sql.execute(b"drop index ragpg.chunks_%d_embedding_hnsw" % index)
    sql.execute(
        """
        insert into ragpg.chunks (index_id, document_id, document_version, ordinal, start_char,
            end_char, token_count, lexeme_count, language, content, lexemes, embedding)
        select index_id, document_id, document_version, place, 0, 3, 1, 1, language, 'one', '',
            array(select random() - 0.5 + 0 * place from generate_series(1, 8))::vector::halfvec
        from ragpg.chunks, generate_series(1, %s) as place
        where index_id = %s
        """,
        (count, index),
    )
    # So few links that the index does miss neighbours.
    sql.execute(
        b"create index chunks_%d_embedding_hnsw on ragpg.chunks_%d using hnsw"
        b" ((embedding::halfvec(8)) halfvec_cosine_ops) with (m = 3, ef_construction = 6)"
        % (index, index)
    )
    sql.execute(b"analyze ragpg.chunks_%d" % index)
    stored = rows(sql, "select id, embedding from ragpg.chunks where index_id = %s", index)
    vectors = np.array([one.to_numpy() for _, one in stored], np.float64)
    return index, np.array([one for one, _ in stored]), vectors


def test_recall_is_that_of_brute_force(client: ragpg.Client, sql: psycopg.Connection) -> None:
    """Long, because each measurement stands on the one before."""
    index, ids, vectors = many_chunks(client, sql, 100_000)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    measured = sql.execute(
        "select ef_search, recall, worst_recall, queries, query_source"
        " from ragpg.measure_recall('many', k => 5, queries => 40, ef_search => 6)"
    ).fetchone()
    assert measured is not None
    asked = [
        one
        for (one,) in rows(
            sql,
            "select id from ragpg.chunks where index_id = %s"
            " order by hashint8extended(id, 1) limit 40",
            index,
        )
    ]
    sql.execute("set hnsw.ef_search = 6")
    sql.execute("set hnsw.iterative_scan = strict_order")
    recalls = []
    for own in asked:
        at = int(np.flatnonzero(ids == own)[0])
        distances = 1 - unit @ unit[at]
        others = np.delete(distances, at)
        farthest = np.sort(others)[4]
        near = rows(
            sql,
            f"select id from ragpg.chunks where index_id = {index}"
            " order by embedding::halfvec(8) <=> %s::text::halfvec limit 6",
            str(vectors[at].tolist()),
        )
        kept = [one for (one,) in near if one != own][:5]
        recalls.append(
            sum(distances[np.flatnonzero(ids == one)[0]] <= farthest + 1e-6 for one in kept) / 5
        )
    assert measured[0] == 6 and measured[3:] == (40, "chunks")
    assert measured[1] == pytest.approx(float(np.mean(recalls)))
    assert measured[2] == pytest.approx(min(recalls))
    assert measured[1] < 1, "the test would see nothing if the index missed nothing"

    # The graph decides what can be reached, so the wish is what a larger ef_search gave.
    ((wish,),) = rows(sql, "select (ragpg.measure_recall('many', 5, 40, 200)).recall")
    tune = "select ef_search, recall from ragpg.tune_ef_search('many', %s, 5, 40)"
    ((ef, recall),) = rows(sql, tune, wish)
    assert recall >= wish - 1e-9 and 6 < ef <= 200
    assert rows(sql, "select ef_search from ragpg.search_indexes where id = %s", index) == [(ef,)]
    ((less,),) = rows(sql, "select (ragpg.measure_recall('many', 5, 40, %s)).recall", ef - 1)
    assert less < wish - 1e-9, "a smaller one would have done"
    history = rows(sql, "select recall from ragpg.recall_history order by measured_at")
    assert [one for (one,) in history] == pytest.approx([measured[1], wish, recall, less])
    assert rows(
        sql,
        "select recall, vector_index_bytes > 0 from ragpg.index_health where index_id = %s",
        index,
    ) == [(less, True)]


def test_recall_of_logged_searches(handbook: ragpg.Collection, sql: psycopg.Connection) -> None:
    share(sql, 1)
    for _ in range(20):
        handbook.search("password")
    found = rows(
        sql, "select queries, query_source, recall from ragpg.measure_recall(k => 3, queries => 20)"
    )
    assert found == [(20, "searches", 1.0)]


def command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ragpg", *arguments],
        env={**os.environ, "RAGPG_DATABASE_URL": url, "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_status_tells_monitoring(
    handbook: ragpg.Collection, sql: psycopg.Connection, url: str
) -> None:
    well = command(url, "status")
    assert well.returncode == 0 and "all is well" in well.stdout, well.stdout + well.stderr
    sql.execute("select ragpg.put_document('handbook', 'new', 'Some words.')")
    assert command(url, "status").returncode == 0, "a document may wait for a while"
    sql.execute("update ragpg.index_statistics set chunk_count = chunk_count + 3")
    assert command(url, "status").returncode == 0, "ordinary use needs no attention"
    sql.execute(
        "update ragpg.documents set updated_at = now() - interval '1 hour' where source = 'new'"
    )
    sql.execute(
        "update ragpg.index_documents set pending_since = now() - interval '1 hour' where pending_since is not null"
    )
    sql.execute("update ragpg.index_statistics set chunk_count = 100")
    ill = command(url, "status")
    assert ill.returncode == 3
    assert "indexing is behind: 1 documents wait" in ill.stdout
    assert "statistics are stale" in ill.stdout and "force => true" in ill.stdout
    told = json.loads(command(url, "status", "--json").stdout)
    assert {one["problem"] for one in told["problems"]} == {
        "indexing is behind",
        "statistics are stale",
    }
    assert told["lag"][0]["lag_seconds"] > 3000


def test_metrics_are_openmetrics(
    handbook: ragpg.Collection, sql: psycopg.Connection, url: str, client: ragpg.Client
) -> None:
    client.collection('odd "name"\\').add(text="A refund.", source="one")
    share(sql, 1)
    handbook.search("refunds")
    client.collection("handbook").indexes.measure_recall(k=2)
    done = command(url, "metrics")
    assert done.returncode == 0, done.stderr
    values = {
        (sample.name, sample.labels["collection"]): sample.value
        for family in text_string_to_metric_families(done.stdout)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }
    assert values["ragpg_documents", "handbook"] == 4
    assert values["ragpg_documents", 'odd "name"\\'] == 1
    assert values["ragpg_waiting_documents", "handbook"] == 0
    assert values["ragpg_searches_today", "handbook"] == 1
    assert values["ragpg_index_recall", "handbook"] == 1
    assert values["ragpg_index_valid", "handbook"] == 1


def test_the_command_that_tunes(handbook: ragpg.Collection, url: str) -> None:
    tuned = json.loads(command(url, "index", "tune", "-c", "handbook", "-k", "3", "--json").stdout)
    assert tuned["recall"] == 1 and tuned["ef_search"] == 3
    done = command(url, "index", "recall", "-c", "handbook", "-k", "2")
    assert "recall@2 1.000, worst 1.00, ef_search 3, 4 chunks" in done.stdout, done.stderr
