"""A tenant finds on several servers what it finds on one, and asks the one shard that has it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

import ragpg

from .conftest import CITUS_URL
from .corpus import QUESTIONS, fill, found
from .tenants import NAME, as_tenant, begin, spread, url

__all__ = ["spread", "url"]


def _fill_and_ask(url: str, distributed_by: str | None) -> dict[str, Any]:
    """Two tenants write, before and after the chunks are distributed; what does each find?"""
    with psycopg.connect(url, autocommit=True) as owner:
        begin(url, owner, a=60, b=90)
        if distributed_by == "tenant":
            owner.execute("select ragpg.distribute(6)")
        answers: dict[str, Any] = {}
        for tenant, documents in (("a", 100), ("b", 130)):
            with as_tenant(url, tenant) as client:
                fill(client, documents)
                texts = client.collection("texts")
                assert texts.delete("text-4")
                texts.update_metadata({"tier": 7}, sources=["text-5"])
                texts.add(text="The refund of a card.", source="text-6", metadata={"tier": 1})
                client.database.execute("select ragpg.refresh_search_index(1)")
                answers[tenant] = found(client) | _more(client)
        assert owner.execute("select problem, object from ragpg.verify()").fetchall() == []
        owner.execute(f"drop owned by {NAME}".encode())
    return answers


def _more(client: ragpg.Client) -> dict[str, Any]:
    texts = client.collection("texts")
    of_each: dict[str, Any] = {}
    for question in QUESTIONS:
        hits = texts.search(question, k=5, distinct=True)
        of_each[f"distinct {question}"] = [(hit.source, round(hit.score, 6)) for hit in hits]
        for name, statement in (
            ("by words", "select source, round(score::numeric, 6) from ragpg.search(%(asked)s)"),
            (
                "explained",
                "select source, vector_place, words from ragpg.explain_search(%(asked)s)",
            ),
        ):
            of_each[f"{name} {question}"] = client.database.rows(statement, asked=question)
    of_each["similar"] = client.database.rows(
        "select near.source, round(near.similarity::numeric, 6) from ragpg.documents as document"
        " cross join lateral ragpg_internal.document_chunks(1, array[document.id]) as chunk"
        " cross join lateral ragpg.similar_chunks(chunk.chunk_id, 5) as near"
        " where document.source = 'text-9'"
    )
    of_each["overview"] = client.database.rows(
        "select documents, chunks, tokens_p50, near_duplicate_share from ragpg.corpus_overview"
    )
    of_each["near duplicates"] = client.database.rows(
        "select first_source, second_source, round(similarity::numeric, 6)"
        " from ragpg.near_duplicates('texts', 0.7, 0.1) order by 1, 2"
    )
    return of_each


def test_hits_and_scores_are_as_on_one_server(
    one_server: ragpg.Client, url: str, spread: str
) -> None:
    expected = _fill_and_ask(one_server.database.url, None)
    met = _fill_and_ask(url, spread)
    assert expected["a"] != expected["b"]
    for tenant, answers in expected.items():
        for question, hits in answers.items():
            assert met[tenant][question] == hits, (tenant, question)
    assert sum(len(hits) for hits in met["a"].values()) > 200


@pytest.mark.parametrize("spread", ["tenant"], indirect=True)
def test_a_tenants_search_asks_one_shard(url: str, spread: str) -> None:
    assert CITUS_URL
    counted = (
        "select query_execution_single_shard, query_execution_multi_shard"
        " from citus_stat_counters where name = current_database()"
    )
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("alter system set citus.enable_stat_counters = on")
        owner.execute("select pg_reload_conf()")
        begin(url, owner, a=20)
        owner.execute("select ragpg.distribute(6)")
        before = owner.execute(counted).fetchone()
        with as_tenant(url, "a") as client:
            texts = client.collection("texts")
            for mode in ("hybrid", "vector", "keyword"):
                for condition in (None, "$.tier == 1"):
                    assert texts.search("refund of money", mode=mode, filter=condition)
            texts.add(text="Money is back.", source="text-3")
            client.database.rows("select from ragpg.search('refund')")
        after = owner.execute(counted).fetchone()
        owner.execute(f"drop owned by {NAME}".encode())
    assert before is not None and after is not None
    assert after[0] > before[0]
    assert after[1] == before[1]
