"""Hits, scores and settings: what a shard could get silently wrong."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

import ragpg
from ragpg.errors import RagpgError

from .conftest import Cluster
from .corpus import QUESTIONS, fill, found


def test_hits_and_scores_are_those_of_one_server(
    client: ragpg.Client, one_server: ragpg.Client
) -> None:
    for either in (client, one_server):
        fill(either, 1200)
        either.database.execute("update ragpg.search_indexes set ef_search = 1000")
    distributed, plain = found(client, k=25), found(one_server, k=25)
    for asked, hits in plain.items():
        assert len(hits) == len(distributed[asked]) == 25
        if asked.endswith("None") and "keyword" not in asked:
            # The graph of all misses one, now and then, that those of the shards do not.
            pairs = zip(distributed[asked], hits, strict=True)
            assert all(mine[2] >= theirs[2] for mine, theirs in pairs), asked
        else:
            # Of several that are as far as the last one, any is right.
            last = hits[-1][2]
            assert [hit[2] for hit in distributed[asked]] == [hit[2] for hit in hits], asked
            assert [hit for hit in distributed[asked] if hit[2] > last] == [
                hit for hit in hits if hit[2] > last
            ], asked


def _compared(client: ragpg.Client, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(client.database.url) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.parametrize(
    "statement",
    [
        "select place, source, round(score::numeric, 6)"
        " from ragpg.search_distinct('refund of money', 5, query_embedding => {question})",
        "select place, source, round(score::numeric, 6)"
        " from ragpg.search_recent('refund of money', 5, query_embedding => {question})",
        "select place, source, vector_place, keyword_place, words"
        " from ragpg.explain_search('refund of money', 5, query_embedding => {question})",
        "select place, source, round(similarity::numeric, 6) from ragpg.similar_chunks(1, 8)",
        "select place, source, round(score::numeric, 6) from ragpg.search('refund of money', 5)",
        "select * from ragpg.surroundings(1, 3)",
        "select words_held, missing_names, unmatched_negation"
        " from ragpg.judge_hits('refund of money', '{{1,2,3}}', '{{0.5}}')",
        "select lexeme, chunk_count, occurrence_count from ragpg.lexeme_statistics order by 1",
        "select source, text, chunk_id, round(similarity::numeric, 6)"
        " from ragpg_internal.hard_negatives('refund', '{{1}}', 3, null, {question})",
        "select chunks, tokens_p05, tokens_p50, tokens_p95, duplicate_chunks, near_duplicate_share"
        " from ragpg.corpus_overview",
        "select first_source, second_source, round(similarity::numeric, 5)"
        " from ragpg.near_duplicates(min_overlap => 0.6, chunks => 40)",
        "select from_tokens, to_tokens, chunks from ragpg.chunk_sizes order by 1",
        "select chunk_id, content from ragpg_internal.cut_chunks('texts') order by 1",
        "select id, source, ordinal, lexemes, embedding from ragpg.chunks_of_texts order by id",
        "select near.source from ragpg.chunks_of_texts as near"
        " order by near.embedding <=> {question}, near.id limit 5",
    ],
)
def test_whatever_reads_chunks_says_the_same(
    client: ragpg.Client, one_server: ragpg.Client, statement: str
) -> None:
    vector = client.session.embedder.embed_query(QUESTIONS[0])
    asked = statement.format(question=f"'{[float(one) for one in vector]}'::halfvec")
    for either in (client, one_server):
        fill(either, 120)
        # No end of a sentence: its chunks are cut.
        long = " ".join(f"limit{number} money" for number in range(120))
        either.collection("texts").add(text=long, source="long")
    assert _compared(client, asked) == _compared(one_server, asked) != []


def test_the_shards_scan_with_the_ef_search_of_the_search_index(client: ragpg.Client) -> None:
    """What set_config() sets, and a function's own settings, stay on the coordinator."""
    fill(client, 60)
    with psycopg.connect(client.database.url, autocommit=True) as connection:
        connection.execute("update ragpg.search_indexes set ef_search = 321")
        told = "select distinct current_setting('hnsw.ef_search', true) from ragpg.chunks"
        with connection.transaction():
            connection.execute(
                "select from ragpg.search('', query_embedding => %s::halfvec, mode => 'vector')",
                [str([1.0, *[0.0] * 7])],
            )
            assert connection.execute(told.encode()).fetchall() == [("321",)]
            after = connection.execute("show citus.propagate_set_commands").fetchone()
        assert after == ("none",)
        assert connection.execute(told.encode()).fetchall() != [("321",)]


def test_recall_is_that_of_the_vector_index(client: ragpg.Client) -> None:
    fill(client, 600)
    measured = client.collection("texts").indexes.measure_recall()
    assert measured is not None
    assert measured["recall"] == 1.0


def test_a_worker_that_is_gone_is_an_error_and_no_shorter_list(
    client: ragpg.Client, cluster: Cluster
) -> None:
    fill(client, 60)
    name = str(psycopg.conninfo.conninfo_to_dict(client.database.url)["dbname"])
    worker = cluster.urls("postgres")[1]
    with psycopg.connect(worker, autocommit=True) as admin:
        admin.execute(f"alter database {name} allow_connections false".encode())
        admin.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = %s",
            [name],
        )
        with pytest.raises(RagpgError):
            client.collection("texts").search(QUESTIONS[0])
        admin.execute(f"alter database {name} allow_connections true".encode())
    assert len(client.collection("texts").search(QUESTIONS[0])) == 10
