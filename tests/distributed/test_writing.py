"""What is written, replaced and deleted is so on the shards."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psycopg

import ragpg

from .corpus import fill

HELD = """
select count(*), count(distinct chunk.document_id), coalesce(sum(chunk.document_version), 0)
from ragpg.chunks as chunk
"""
ON_WORKERS = """
select sum(result::bigint)
from run_command_on_workers(
    $$select count(*) from pg_class where relkind in ('r', 'p', 'i') and relname like 'chunks_%'$$
)
"""


def _one(client: ragpg.Client, statement: str) -> tuple[int, ...]:
    with psycopg.connect(client.database.url) as connection:
        return connection.execute(statement.encode()).fetchone() or ()


def _whole(client: ragpg.Client) -> bool:
    return client.database.column("select problem from ragpg.verify()") == []


def test_a_document_is_replaced_and_deleted_with_its_chunks(client: ragpg.Client) -> None:
    fill(client, 30)
    texts = client.collection("texts")
    long = " ".join(f"limit{number} money" for number in range(120))
    texts.add(text=long, source="text-3")
    chunks, documents, _ = _one(client, HELD)
    assert chunks > documents == 30
    texts.add(text="Money is back.", source="text-3")
    assert _one(client, HELD)[:2] == (30, 30)
    texts.update_metadata({"tier": 9}, sources=["text-3", "text-4"])
    assert _one(client, HELD) == (30, 30, 28 + 4 + 2)
    assert texts.delete("text-3")
    texts.delete_many(filter="$.number < 3")
    assert _one(client, HELD)[:2] == (26, 26)
    assert texts.versions.erase("text-4")["documents"] == 1
    assert _one(client, HELD)[:2] == (25, 25)
    assert _whole(client)
    assert [hit.source for hit in texts.search("money", filter="$.number < 6")] == ["text-5"]


def test_embeddings_that_come_along_are_stored_once(client: ragpg.Client) -> None:
    drawn = np.random.default_rng(3).normal(size=(50, 8)).astype(np.float32)
    ready = client.collection("ready")
    records = [
        {"text": f"Money number {at}.", "source": f"{at}", "embedding": one}
        for at, one in enumerate(drawn)
    ]
    assert ready.add(records=records).added == 50
    words = "select count(*) from ragpg.chunks where lexemes @@ 'money' and lexeme_count > 0"
    assert _one(client, words) == (50,)
    again = [record | {"text": f"{record['text']} Refund!"} for record in records]
    assert ready.add(records=again).updated == 50
    words = "select count(*) from ragpg.chunks where lexemes @@ 'refund' and lexeme_count > 1"
    assert _one(client, words) == (50,)
    assert _whole(client)
    (hit,) = ready.search("", query_embedding=drawn[7], k=1, mode="vector")
    assert hit.source == "7"


def test_the_same_text_is_not_embedded_again(client: ragpg.Client) -> None:
    fill(client, 20)
    report = client.collection("texts").add(
        records=[
            {"text": row["content"], "source": f"copy-{row['source']}", "title": row["title"]}
            for row in client.database.rows("select source, title, content from ragpg.documents")
        ]
    )
    assert (report.added, report.chunks_embedded, report.chunks_reused) == (20, 0, 20)


def test_what_sql_writes_two_workers_index(client: ragpg.Client) -> None:
    fill(client, 5)
    with psycopg.connect(client.database.url) as connection:
        for number in range(40):
            connection.execute(
                "select from ragpg.put_document('texts', %s, %s)",
                [f"by-sql-{number}", f"refund {number}"],
            )
    with (
        ragpg.connect(client.database.url, embedder=client.session.embedder) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        done = list(pool.map(lambda one: one.worker().drain().indexed, (client, other)))
    assert sum(done) == 40
    assert _one(client, HELD)[:2] == (45, 45)
    client.database.execute("select ragpg.refresh_search_index(1)")
    assert _whole(client)


def test_a_search_index_is_built_activated_quantised_and_dropped(client: ragpg.Client) -> None:
    fill(client, 40)
    texts = client.collection("texts")
    before = [hit.source for hit in texts.search("refund of money")]
    on_workers = _one(client, ON_WORKERS)
    second = texts.indexes.create(chunk_tokens=20)
    assert texts.indexes.fill(second.id).indexed == 40
    assert _one(client, ON_WORKERS) > on_workers
    texts.indexes.activate(second.id)
    assert len(texts.search("refund of money")) == 10
    texts.indexes.rollback()
    texts.indexes.drop(second.id)
    assert _one(client, ON_WORKERS) == on_workers
    texts.indexes.quantize(1, "bit")
    assert len(texts.search("refund of money")) == 10
    texts.indexes.quantize(1, "none")
    assert [hit.source for hit in texts.search("refund of money")] == before
    client.drop_collection("texts")
    assert _one(client, "select count(*) from ragpg.chunks") == (0,)


def test_verify_sees_a_chunk_that_is_lost_or_another(client: ragpg.Client) -> None:
    fill(client, 12)
    with psycopg.connect(client.database.url) as connection:
        connection.execute("delete from ragpg.chunks where document_id = 3")
        connection.execute(
            "update ragpg.chunks set content = repeat('x', length(content)) where document_id = 5"
        )
    found = client.database.rows("select problem, object from ragpg.verify() order by 1, 2")
    assert [(row["problem"], row["object"]) for row in found] == [
        ("chunk is not its span", "chunk 5 of search index 1"),
        ("chunks missing or too many", "document 3 in search index 1"),
    ]


def test_sizes_are_those_of_all_shards(client: ragpg.Client) -> None:
    fill(client, 60)
    health = "select table_bytes, index_bytes, vector_index_bytes from ragpg.index_health"
    table, indexes, vector = _one(client, health)
    assert table == _one(client, "select citus_table_size('ragpg.chunks_1')")[0]
    assert table + indexes == _one(client, "select citus_total_relation_size('ragpg.chunks_1')")[0]
    assert 6 * 8192 < vector < indexes


def test_an_evaluation_measures_what_it_measures_on_one_server(
    client: ragpg.Client, one_server: ragpg.Client, tmp_path: Path
) -> None:
    path = tmp_path / "questions.jsonl"
    asked = [
        {"question": f"money item{at}", "labels": [{"source": f"text-{at}"}]}
        for at in range(0, 60, 7)
    ]
    path.write_text("\n".join(json.dumps(one) for one in asked))
    measured = []
    for either in (client, one_server):
        fill(either, 80)
        evaluation = either.collection("texts").evaluation
        assert evaluation.load(path) == len(asked)
        evaluation.run()
        measured.append(
            either.database.rows(
                "select question, recall, reciprocal_rank, ndcg, first_relevant_place"
                " from ragpg.evaluation_measures order by question"
            )
        )
    assert measured[0] == measured[1] != []
