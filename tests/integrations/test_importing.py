"""Tables of LangChain's own Postgres stores, as these make them, taken over as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import pytest
from langchain_core.embeddings import Embeddings

import ragpg
from ragpg import AddReport, errors
from ragpg.integrations import importing
from ragpg.integrations.importing import import_table
from ragpg.integrations.langchain import RagpgVectorStore
from ragpg.models import GivenEmbedder

from ..conftest import ROOT, WordEmbedder

# As langchain-postgres 0.0.19 creates them: vectorstores.py and v2/engine.py.
PGVECTOR = """
create table langchain_pg_collection (uuid uuid primary key, name varchar not null unique, cmetadata json);
create table langchain_pg_embedding (
    id varchar primary key, collection_id uuid references langchain_pg_collection (uuid) on delete cascade,
    embedding vector, document varchar, cmetadata jsonb
);
insert into langchain_pg_collection values
    ('00000000-0000-0000-0000-000000000001', 'my docs', null),
    ('00000000-0000-0000-0000-000000000002', 'others', null);
"""
PGVECTORSTORE = """
create table "My Rows" (
    "langchain_id" uuid primary key, "content" text not null, "embedding" vector(8) not null,
    "tier" text, "langchain_metadata" json
);
"""
ROWS = [("A refund is money.", "pro"), ("The rate limit.", "free"), ("Login and password.", "pro")]
IDS = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]


def vector(text: str) -> str:
    return json.dumps(WordEmbedder().embed_query(text).tolist())


@pytest.fixture
def tables(sql: psycopg.Connection) -> psycopg.Connection:
    sql.execute(PGVECTOR.encode())
    sql.execute(PGVECTORSTORE.encode())
    for number, (text, tier) in enumerate(ROWS):
        sql.execute(
            "insert into langchain_pg_embedding values (%s, %s, %s, %s, %s)",
            (
                f"id{number}",
                "00000000-0000-0000-0000-000000000001",
                vector(text),
                text,
                json.dumps({"tier": tier, "deep": [1]}),
            ),
        )
        sql.execute(
            'insert into "My Rows" values (%s, %s, %s, %s, %s)',
            (IDS[number], text, vector(text), tier, json.dumps({"page": number})),
        )
    sql.execute(
        "insert into langchain_pg_embedding values ('x', '00000000-0000-0000-0000-000000000002', %s, 'Not asked for.', '{}')",
        (vector("x"),),
    )
    return sql


def taken(client: ragpg.Client, table: str, **options: Any) -> Sequence[tuple[int, ...]]:
    told: list[AddReport] = []
    import_table(client, "langchain", table, collection="taken", on_batch=told.append, **options)
    return [(one.added, one.updated, one.unchanged, one.failed) for one in told]


def test_a_collection_of_pgvector(
    client: ragpg.Client, tables: psycopg.Connection, words: WordEmbedder
) -> None:
    assert taken(client, "my docs") == [(3, 0, 0, 0)]
    assert [one for one in words.embedded if one in dict(ROWS)] == [ROWS[0][0]]  # to know the model
    held = client.collection("taken")
    found = held.documents(texts=True)
    assert [(one.source, one.text, one.metadata) for one in found] == [
        (f"id{number}", text, {"tier": tier, "deep": [1]})
        for number, (text, tier) in enumerate(ROWS)
    ]
    hits = held.search("refund", 3)
    expected = WordEmbedder().embed_documents([hit.content for hit in hits])
    np.testing.assert_allclose(held.embeddings(hits), expected, atol=1e-3)


def test_a_collection_of_langchain_community(
    client: ragpg.Client, tables: psycopg.Connection
) -> None:
    """langchain_community/vectorstores/pgvector.py (0.3): a uuid, and an id where one was given."""
    tables.execute(
        "alter table langchain_pg_embedding rename id to custom_id;"
        "alter table langchain_pg_embedding drop constraint langchain_pg_embedding_pkey;"
        "alter table langchain_pg_embedding alter custom_id drop not null;"
        "alter table langchain_pg_embedding add uuid uuid default gen_random_uuid() primary key;"
        "alter table langchain_pg_embedding alter cmetadata type json;"
        "update langchain_pg_embedding set custom_id = null, uuid = '00000000-0000-0000-0000-00000000000a' where custom_id = 'id1'"
    )
    assert taken(client, "my docs") == [(3, 0, 0, 0)]
    sources = {one.source for one in client.collection("taken").documents()}
    assert sources == {"id0", "id2", "00000000-0000-0000-0000-00000000000a"}
    tables.execute("update langchain_pg_embedding set custom_id = 'id0' where custom_id = 'id2'")
    notes: list[str] = []
    taken(client, "my docs", on_note=notes.append)
    assert notes == ["1 rows have the custom_id of another one: one of them is kept"]


def test_a_table_of_pgvectorstore(client: ragpg.Client, tables: psycopg.Connection) -> None:
    assert taken(
        client,
        "My Rows",
        database_url=client.database.url.replace("postgresql:", "postgresql+psycopg:"),
    ) == [(3, 0, 0, 0)]
    store = RagpgVectorStore(connection=client, collection_name="taken")
    (found,) = store.similarity_search("login", k=1, filter={"page": {"$gte": 1}, "tier": "pro"})
    assert (found.id, found.page_content) == (IDS[2], "Login and password.")
    assert found.metadata == {"tier": "pro", "page": 2}


class Words(Embeddings):
    """The hand-checkable embedder as LangChain's."""

    model = "words"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(one) for one in WordEmbedder().embed_query(text)]


def test_the_store_brings_the_embeddings(url: str, tables: psycopg.Connection) -> None:
    """To its own collection, and to one whose vectors were taken without a model."""
    with ragpg.connect(url, embedder=GivenEmbedder("records", 8)) as client:
        import_table(client, "langchain", "my docs", collection="given")
    own = RagpgVectorStore(Words(), connection=url, collection_name="own")
    import_table(own.client, "langchain", "my docs", collection="own")
    given = RagpgVectorStore(Words(), connection=url, collection_name="given")
    for store in (own, given):
        store.add_texts(["The uptime."], ids=["new"])
        ((found, distance),) = store.similarity_search_with_score("of refunds", k=1)
        near = float(
            WordEmbedder().embed_query("of refunds") @ WordEmbedder().embed_query(ROWS[0][0])
        )
        assert found.id == "id0" and distance == pytest.approx(1 - near, abs=0.01)
        (diverse,) = store.max_marginal_relevance_search("uptimes", k=1)
        assert diverse.id == "new"
        store.close()


def test_nothing_is_found_in_a_collection_that_is_not_there(url: str) -> None:
    store = RagpgVectorStore(Words(), connection=url)
    assert store.max_marginal_relevance_search("refund") == []
    assert store.similarity_search("refund") == []
    store.close()


def test_interrupted_it_goes_on(
    client: ragpg.Client, tables: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH", 2)
    told: list[AddReport] = []

    def interrupt(report: AddReport) -> None:
        told.append(report)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_table(client, "langchain", "my docs", collection="taken", on_batch=interrupt)
    assert told[0].added == 2
    tables.execute("update langchain_pg_embedding set cmetadata = '{}' where id = 'id1'")
    again = np.sum(taken(client, "my docs"), axis=0)
    assert again.tolist() == [1, 1, 1, 0]
    assert len(client.collection("taken").documents()) == 3
    assert taken(client, "my docs") == [(0, 0, 2, 0), (0, 0, 1, 0)]


def test_stopped_it_ends_after_the_rows_at_hand(
    client: ragpg.Client, tables: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_BATCH", 2)
    stop, done = threading.Event(), []

    def heard(count: int, total: int) -> None:
        done.append((count, total))
        if count:
            stop.set()

    counts = taken(client, "my docs", progress=heard, stop=stop)
    assert counts == [(2, 0, 0, 0)] and done[-1] == (2, 3)
    assert np.sum(taken(client, "my docs", progress=heard), axis=0).tolist() == [1, 0, 2, 0]
    assert done[-1] == (3, 3)


def test_what_cannot_be_taken_is_told(client: ragpg.Client, tables: psycopg.Connection) -> None:
    tables.execute("update langchain_pg_embedding set document = null where id = 'id1'")
    assert taken(client, "my docs") == [(2, 0, 0, 1)]
    with pytest.raises(errors.BadArgument, match="no tables of"):
        import_table(client, "none", "my docs", collection="taken")
    tables.execute("create table plain (id int)")
    tables.execute("insert into plain values (1)")
    with pytest.raises(errors.BadArgument, match="no column 'langchain_id'"):
        taken(client, "plain")
    tables.execute("drop table langchain_pg_embedding")
    with pytest.raises(errors.BadArgument, match=r'no table "others" .*nor tables of PGVector'):
        taken(client, "others")


def test_vectors_of_another_model_are_refused(
    client: ragpg.Client, tables: psycopg.Connection
) -> None:
    tables.execute("update langchain_pg_embedding set embedding = %s", (vector("password"),))
    with pytest.raises(errors.ModelMismatch, match=r"given/records@8 where it cannot be had"):
        taken(client, "my docs")


def test_the_command(url: str, tables: psycopg.Connection) -> None:
    def run(*options: str, **given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ragpg", "import", "langchain", "my docs", *options],
            env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT), **given},
            capture_output=True,
            text=True,
        )

    named = run("-c", "taken", RAGPG_EMBEDDING_MODEL="given/mine@8")
    assert named.stdout == "3 added, 0 updated, 0 unchanged, 0 failed\n", named.stderr
    again = run("-c", "taken", "--database", url, "--json", RAGPG_EMBEDDING_MODEL="given/mine@8")
    assert json.loads(again.stdout)["unchanged"] == 3
