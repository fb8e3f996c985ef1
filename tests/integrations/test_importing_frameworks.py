"""Tables of LlamaIndex's and Haystack's own Postgres stores, and what our stores then hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from haystack import Document
from haystack.dataclasses import ByteStream
from haystack.utils import Secret
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery

import ragpg
from ragpg import AddReport, errors
from ragpg.integrations.haystack import RagpgDocumentStore
from ragpg.integrations.importing import import_table
from ragpg.integrations.llamaindex import RagpgVectorStore
from ragpg.models import GivenEmbedder

from ..conftest import WordEmbedder
from .llamaindex_tables import NODES, nodes
from .test_haystack import assert_equal

TABLES = Path(__file__).with_name("llamaindex_tables.sql")


@pytest.fixture
def tables(sql: psycopg.Connection) -> psycopg.Connection:
    sql.execute(TABLES.read_bytes())
    return sql


def taken(
    client: ragpg.Client, framework: str, table: str, **options: Any
) -> tuple[Sequence[tuple[int, ...]], list[str], list[tuple[str, str]]]:
    """Returns (added, updated, unchanged, failed) of each batch, the notes, the failures."""
    told: list[AddReport] = []
    notes: list[str] = []
    import_table(
        client,
        framework,
        table,
        collection="taken",
        on_batch=told.append,
        on_note=notes.append,
        **options,
    )
    counts = [(one.added, one.updated, one.unchanged, one.failed) for one in told]
    return counts, notes, [(one.source, one.reason) for each in told for one in each.failures]


# LlamaIndex ---------------------------------------------------------------------------------


@pytest.fixture
def store(url: str) -> Iterator[RagpgVectorStore]:
    store = RagpgVectorStore(url, "taken", embed_dim=8)
    yield store
    store.client.close()


@pytest.mark.parametrize(
    ("table", "schema"),
    [("Nodes", None), ("data_nodes", "public"), ("hybrid", "rag"), ("rag.hybrid", None)],
)
def test_a_table_of_llamaindex(
    client: ragpg.Client,
    words: WordEmbedder,
    tables: psycopg.Connection,
    store: RagpgVectorStore,
    table: str,
    schema: str | None,
) -> None:
    assert taken(client, "llamaindex", table, schema=schema) == ([(4, 0, 0, 0)], [], [])
    embedded = nodes()[0].get_content(MetadataMode.EMBED)
    assert embedded == "topic: rate limit\ntier: pro\n\nA refund is money."
    assert embedded in words.embedded, "the model is known by what LlamaIndex gave it"
    found = {one.node_id: one for one in store.get_nodes()}
    for expected in nodes():
        one = found[expected.node_id]
        assert isinstance(one, TextNode)
        vector, expected.embedding = expected.embedding, None
        assert one.to_dict() == expected.to_dict()
        query = VectorStoreQuery(vector, 1)
        (near,) = store.query(query).nodes or []
        assert near.node_id == expected.node_id
    assert taken(client, "llamaindex", table, schema=schema) == ([(0, 0, 4, 0)], [], [])
    store.delete("refunds")
    assert {one.node_id for one in store.get_nodes()} == {"n3", "n4"}


def test_our_store_goes_on_with_what_was_taken_over(
    client: ragpg.Client, tables: psycopg.Connection, store: RagpgVectorStore
) -> None:
    with ragpg.connect(client.database.url, embedder=GivenEmbedder("mine", 8)) as given:
        import_table(given, "llamaindex", "nodes", collection="taken")
    new = TextNode(id_="n5", text="uptime", embedding=[0, 0, 0, 0, 0, 0, 1, 0])
    assert store.add([new]) == ["n5"]
    assert len(store.get_nodes()) == 5


def test_it_goes_on_with_a_collection_of_a_model(url: str) -> None:
    """The store brings vectors alone: they are taken for those of the collection's model."""
    with ragpg.connect(url) as client:
        client.collection("taken").add(text="A refund.", source="n1")
        (vector,) = client.collection("taken").embeddings(
            client.collection("taken").search("refund", k=1)
        )
    store = RagpgVectorStore(url, "taken", embed_dim=384)
    store.add([TextNode(id_="n2", text="The same, again.", embedding=vector.tolist())])
    assert {one.node_id for one in store.get_nodes()} == {"n1", "n2"}
    found = store.query(VectorStoreQuery(vector.tolist(), 2))
    assert found.similarities == pytest.approx([1, 1], abs=1e-3)
    store.client.close()


def test_the_later_of_two_rows_of_a_node(client: ragpg.Client, tables: psycopg.Connection) -> None:
    """LlamaIndex's table has no unique node_id: one that is added again is there twice."""
    tables.execute(
        "insert into data_nodes select 9, 'Later.', metadata_, node_id, embedding from data_nodes where id = 2"
    )
    counts, notes, _ = taken(client, "llamaindex", "nodes")
    assert counts == [(4, 0, 0, 0)]
    assert notes == ["1 rows are left out: a later one has their node's id"]
    held = client.collection("taken").documents(sources=["n2"], texts=True)
    assert [one.text for one in held] == ["Later."]
    assert taken(client, "llamaindex", "nodes")[0] == [(0, 0, 4, 0)]


def test_rows_that_are_no_nodes(
    client: ragpg.Client, tables: psycopg.Connection, store: RagpgVectorStore
) -> None:
    """Written by SQL: without a node in the metadata, an id, a vector."""
    tables.execute(
        "insert into data_nodes values"
        " (5, 'By hand.', null, 'n5', '[0,0,0,0,0,0,1,0]'), (6, 'No id.', null, null, '[0,0,0,0,0,0,1,0]'),"
        " (7, 'No vector.', '{}', 'n7', null), (8, '', '{\"a\": 1}', 'n8', '[1,0,0,0,0,0,1,0]')"
    )
    counts, _, failures = taken(client, "llamaindex", "nodes")
    assert counts == [(6, 0, 0, 2)]
    assert sorted(failures) == [("n7", "its vector is null"), ("row 6", "its id is null")]
    by_hand, empty = store.get_nodes(["n5", "n8"])
    assert (by_hand.get_content(), by_hand.metadata) == ("By hand.", {})
    assert (empty.get_content(), empty.metadata) == ("", {"a": 1})


def test_tables_that_are_not_llamaindexs(client: ragpg.Client, tables: psycopg.Connection) -> None:
    tables.execute("create table data_other (id bigint, text text)")
    with pytest.raises(
        errors.BadArgument, match=r'"data_other" is no table of LlamaIndex.*node_id'
    ):
        taken(client, "llamaindex", "other")
    with pytest.raises(errors.BadArgument, match='no table "data_none" nor "none" in the database'):
        taken(client, "llamaindex", "none")
    with pytest.raises(errors.BadArgument, match=r"there is one elsewhere: --schema rag$"):
        taken(client, "llamaindex", "hybrid")


def test_the_recorded_tables_are_of_these_nodes(tables: psycopg.Connection) -> None:
    """llamaindex_tables.py makes them: who changes its nodes records them anew."""
    rows = tables.execute("select node_id, text from data_nodes order by id").fetchall()
    assert rows == [(id_, text) for id_, _, text, _ in NODES]


# Haystack -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vector", "halfvec"])
def test_a_table_of_haystack(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection, url: str, kind: Any
) -> None:
    sql.execute("create schema pages")
    theirs = PgvectorDocumentStore(
        connection_string=Secret.from_token(url),
        schema_name="pages",
        embedding_dimension=8,
        vector_type=kind,
    )
    embed = WordEmbedder().embed_query
    documents = [
        Document(
            id="0", content=None, meta={"n": 0.1}, blob=ByteStream(b"\x00\xff", {"a": 1}, "b/c")
        ),
        Document(id="1", content="No embedding.", meta={"tier": "pro"}),
        *(
            Document(id=str(n), content=text, meta={"n": n}, embedding=embed(text).tolist())
            for n, text in enumerate(["A refund.", "Rate\r\nlimit ", "", "Login"], 2)
        ),
    ]
    theirs.write_documents(documents)
    theirs.close()
    assert taken(client, "haystack", "haystack_documents", schema="pages")[0] == [(6, 0, 0, 0)]
    assert words.embedded.count("A refund.") == 1, "the model is known by the first with both"
    assert taken(client, "haystack", "haystack_documents", schema="pages")[0] == [(0, 0, 6, 0)]
    ours = RagpgDocumentStore(
        connection_string=Secret.from_token(url), collection_name="taken", embedding_dimension=8
    )
    assert_equal(ours.filter_documents(), documents)
    (near,) = ours.retrieve("vector", "", embed("login").tolist(), None, 1)
    assert near.content == "Login"
    ours.client.close()


def test_a_table_that_is_not_haystacks(client: ragpg.Client, tables: psycopg.Connection) -> None:
    with pytest.raises(
        errors.BadArgument, match=r"no table of Haystack's .*has no column 'content'"
    ):
        taken(client, "haystack", "data_nodes")


def test_a_table_of_haystack_without_a_vector(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    columns = "id text, embedding vector, content text, meta json"
    sql.execute(f"create table haystack_documents ({columns})".encode())
    sql.execute("insert into haystack_documents (id, content) values ('1', 'A text.')")
    with pytest.raises(errors.BadArgument, match='no row of "haystack_documents" has a vector'):
        taken(client, "haystack", "haystack_documents")
