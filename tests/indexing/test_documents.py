"""Documents by filter and by source: listed by pages, deleted, their metadata changed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import psycopg
import pytest

import ragpg
from ragpg import errors

from ..conftest import WordEmbedder
from .adding import CHECK, value


@pytest.fixture
def plans(client: ragpg.Client) -> ragpg.Collection:
    held = client.collection("plans")
    held.add(
        records=[
            {"source": f"{n:02}.md", "text": f"Plan {n} costs money.", "metadata": {"n": n}}
            for n in range(12)
        ]
    )
    return held


def sources(found: list[Any]) -> list[str]:
    return [one.source for one in found]


def test_documents_come_by_filter_source_and_page(plans: ragpg.Collection) -> None:
    assert sources(plans.documents(filter={"n": {"$gte": 10}})) == ["10.md", "11.md"]
    assert sources(plans.documents(filter="$.n < 1")) == ["00.md"]
    assert sources(plans.documents(sources=["03.md", "no.md", "01.md"])) == ["01.md", "03.md"]
    assert sources(plans.documents(sources=["03.md", "01.md"], filter={"n": 3})) == ["03.md"]
    assert plans.documents(sources=[]) == []
    pages: list[list[str]] = []
    while not pages or pages[-1]:
        last = pages[-1][-1] if pages else None
        pages.append(sources(plans.documents(limit=5, after=last)))
    assert [len(page) for page in pages] == [5, 5, 2, 0]
    assert [one for page in pages for one in page] == [f"{n:02}.md" for n in range(12)]
    (one,) = plans.documents(sources=["07.md"], texts=True)
    assert one.text == "Plan 7 costs money." and one.metadata == {"n": 7}
    assert plans.documents(sources=["07.md"])[0].text is None


def test_what_a_filter_names_is_deleted(plans: ragpg.Collection, sql: psycopg.Connection) -> None:
    would = plans.delete_many(filter={"n": {"$lt": 3}}, dry_run=True)
    assert would == ["00.md", "01.md", "02.md"] and len(plans.documents()) == 12
    assert plans.delete_many(filter={"n": {"$lt": 3}}) == would
    assert plans.delete_many(sources=["03.md", "no.md"]) == ["03.md"]
    assert plans.delete_many(filter={"n": 4}, sources=["05.md"]) == []
    assert len(plans.documents()) == 8 and plans.search("plan 2", mode="keyword", k=20)
    assert value(sql, "select count(*) from ragpg.chunks") == 8
    assert plans.versions.text("03.md", 1) == "Plan 3 costs money."


def test_nothing_that_was_not_named_is_deleted(plans: ragpg.Collection) -> None:
    nothing: dict[str, Any]
    for nothing in ({}, {"filter": {}}, {"filter": None, "sources": None}):
        with pytest.raises(errors.BadArgument, match="nothing says which documents"):
            plans.delete_many(**nothing)
        with pytest.raises(errors.BadArgument, match="nothing says which documents"):
            plans.update_metadata({"a": 1}, **nothing)
    with pytest.raises(errors.BadFilter):
        plans.delete_many(filter="n == 3")
    with pytest.raises(errors.BadFilter, match="not a predicate"):
        plans.delete_many(filter="$.n")
    with pytest.raises(errors.BadArgument, match="sources"):
        plans.delete_many(sources="00.md")
    with pytest.raises(errors.BadArgument, match="page_size"):
        plans.documents(limit=0)
    with pytest.raises(errors.BadArgument, match="changes"):
        plans.update_metadata(["a"], sources=["00.md"])  # type: ignore[arg-type]
    with pytest.raises(errors.UnknownCollection):
        ragpg.Collection(plans.session, "nothing").delete_many(filter={"n": 1})
    assert len(plans.documents()) == 12


def test_metadata_are_changed_key_by_key(
    plans: ragpg.Collection, words: WordEmbedder, sql: psycopg.Connection
) -> None:
    plans.update_metadata({"at": {"home": 1, "work": 2}, "old": True}, sources=["01.md"])
    words.embedded.clear()
    changes = {"at": {"work": None, "sea": 3}, "old": None, "n": [1]}
    assert plans.update_metadata(changes, sources=["01.md"], dry_run=True) == ["01.md"]
    assert plans.update_metadata(changes, filter={"old": True}) == ["01.md"]
    (one,) = plans.documents(sources=["01.md"])
    assert one.metadata == {"at": {"home": 1, "sea": 3}, "n": [1]}
    assert (one.version, one.indexed) == (3, True), "searches see it at once"
    assert plans.update_metadata({"n": [1]}, sources=["01.md"]) == [], "nothing changes"
    assert words.embedded == []
    (hit,) = plans.search("plan", filter={"at": {"sea": 3}})
    assert (hit.source, hit.document_version, hit.metadata["n"]) == ("01.md", 3, [1])
    assert value(sql, CHECK) == 0
    assert value(sql, "select count(*) from ragpg.verify('plans')") == 0


def test_a_ready_embedding_outlives_a_change_of_metadata(client: ragpg.Client) -> None:
    """Its chunk was given, longer than the model's window: no worker may cut it anew."""
    held = client.collection("given")
    held.add(records=[{"source": "s", "text": "x", "metadata": {}}])
    size = len(held.embeddings(held.search("x"))[0])
    given = np.eye(size, dtype=np.float32)[5]
    held.add(records=[{"source": "a", "text": "word " * 3000, "embedding": given}])
    held.update_metadata({"tier": "pro"}, sources=["a"])
    (hit,) = held.search("", query_embedding=given, mode="vector", filter={"tier": "pro"})
    assert (hit.start_char, hit.end_char) == (0, 14999)
    assert held.embeddings([hit]) == pytest.approx(given[None])
    assert client.worker().drain().indexed == 0


def test_embeddings_of_a_hit_that_is_gone(plans: ragpg.Collection) -> None:
    hits = plans.search("plan", k=3)
    assert plans.embeddings(hits).shape[0] == 3 and plans.embeddings([]).shape[0] == 0
    plans.delete(hits[1].source)
    with pytest.raises(errors.BadArgument, match=rf"{hits[1].source} was replaced"):
        plans.embeddings(hits)


@pytest.mark.parametrize("change", ["title = 'other'", "content = content || ' more'"])
def test_what_is_cut_anew_waits(
    plans: ragpg.Collection, sql: psycopg.Connection, change: str
) -> None:
    sql.execute(
        f"update ragpg.documents set {change}, metadata = '{{}}' where source = '00.md'".encode()
    )
    sql.commit()
    assert value(sql, "select count(*) from ragpg.ingest_queue") == 1
    assert not plans.documents(sources=["00.md"])[0].indexed


def test_a_version_that_comes_while_the_last_is_stored_waits(
    plans: ragpg.Collection, url: str, sql: psycopg.Connection
) -> None:
    """A worker took a document off the queue though it had stored the version before."""
    document_id = value(sql, "select id from ragpg.documents where source = '00.md'")
    index_id = value(sql, "select active_index_id from ragpg.collections where name = 'plans'")
    sql.commit()
    store = (
        "select ragpg_internal.replace_chunks(%s, %s, 1, '{0}', '{4}', '{x}', '{1}',"
        " (select array_agg(embedding) from ragpg.chunks where document_id = %s))"
    )

    def stored() -> None:
        with psycopg.connect(url) as worker:
            worker.execute(store, (index_id, document_id, document_id))

    def changed() -> None:
        with psycopg.connect(url) as writer:
            writer.execute("update ragpg.documents set content = 'b' where source = '00.md'")

    with psycopg.connect(url) as holder:
        holder.execute("select from ragpg.chunks where document_id = %s for update", [document_id])
        threads = [threading.Thread(target=one) for one in (stored, changed)]
        for started, thread in enumerate(threads, 1):
            thread.start()
            is_waiting = "select count(*) from pg_locks where not granted and pid <> 0"
            while value(sql, is_waiting) < started and thread.is_alive():
                sql.commit()
        holder.rollback()
    for thread in threads:
        thread.join()
    sql.commit()
    state = "select document_version, pending_since is not null from ragpg.index_documents"
    assert sql.execute(state.encode() + b" where document_id = %s", [document_id]).fetchone() == (
        1,
        True,
    )
