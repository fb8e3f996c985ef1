"""Search indexes side by side: built, compared, activated, rolled back, dropped; never half."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgvector.psycopg import register_vector

import ragpg
from ragpg import errors
from ragpg.models import HalfVector

from ..conftest import WordEmbedder
from .adding import CHECK, value, write
from .test_watching import wait_for


def test_a_second_recipe_beside_the_first(
    client: ragpg.Client, words: WordEmbedder, sql: psycopg.Connection, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs")
    pages = client.collection("pages")
    pages.add(folder)
    before = [hit.content for hit in pages.search("rate limit")]
    made = pages.indexes.create(chunk_tokens=20)
    assert (made.chunk_tokens, made.overlap_tokens, made.name) == (20, 0, "words")
    assert value(sql, "select count(*) from ragpg.ingest_queue where not active") == 4
    assert [hit.content for hit in pages.search("rate limit")] == before
    with pytest.raises(errors.SearchIndexError, match=f"search index {made.id} lacks 4 documents"):
        client.collection().indexes.activate(made.id)
    report = client.collection().indexes.fill(made.id)
    assert (report.indexed, report.failed) == (4, 0)
    assert [hit.content for hit in pages.search("rate limit")] == before
    (page := folder / "page1.md").write_text("# New\n\nThe uptime is fine.")
    words.embedded.clear()
    assert pages.add(folder).updated == 1
    assert value(sql, "select count(*) from ragpg.ingest_queue") == 0, "every index follows"
    new = [text for text in words.embedded if "uptime" in text]
    assert len(new) == 1, "one model, one text: embedded once for both"
    client.collection().indexes.activate(made.id)
    assert pages.search("uptime", k=1)[0].content.endswith("The uptime is fine.")
    assert {len(hit.content) for hit in pages.search("rate limit")} != {
        len(content) for content in before
    }
    with pytest.raises(errors.SearchIndexError, match="answers searches"):
        client.collection().indexes.drop(made.id)
    page.unlink()
    assert pages.indexes.rollback() != made.id
    assert pages.indexes.rollback() == made.id
    assert pages.indexes.rollback() != made.id
    client.collection().indexes.drop(made.id)
    assert [row["index_id"] for row in client.health.status()["indexes"]] != [made.id]
    assert value(sql, f"select to_regclass('ragpg.chunks_{made.id}') is null")
    with pytest.raises(errors.SearchIndexError, match="no other search index"):
        pages.indexes.rollback()
    with pytest.raises(errors.SearchIndexError, match="there is no search index"):
        client.collection().indexes.drop(made.id)
    with pytest.raises(errors.SearchIndexError, match="there is no search index"):
        pages.search("rate", index_id=made.id)
    with pytest.raises(errors.SearchIndexError, match="there is no search index"):
        client.collection().indexes.fill(made.id)
    assert value(sql, CHECK) == 0


class Wide(WordEmbedder):
    """Another model: two dimensions more."""

    name = "wide"
    axes = (*WordEmbedder.axes, "day", "card")
    dimensions = len(axes) + 1


def test_another_model_is_another_search_index(
    client: ragpg.Client, url: str, sql: psycopg.Connection
) -> None:
    one = client.collection("one")
    one.add(text="The refund takes five days.", source="a")
    with ragpg.connect(url, embedder=Wide()) as other:
        with pytest.raises(errors.ModelMismatch, match="was embedded with words"):
            other.collection("one").add(text="New.", source="b")
        indexes = other.collection("one").indexes
        made = indexes.create(model=Wide())
        indexes.fill(made.id)
        assert other.collection("one").search("day", index_id=made.id)[0].source == "a"
        indexes.activate(made.id)
        other.collection("one").add(text="The card.", source="b")
        # The first index waits for a process that has its model.
        queue = "select source, active, error from ragpg.ingest_queue"
        assert [row[:2] for row in sql.execute(queue).fetchall()] == [("b", False)]
    sql.execute("update ragpg.index_documents set next_attempt_at = now()")
    assert client.worker().drain().indexed == 1
    dimensions = "select distinct index_id, vector_dims(embedding) from ragpg.chunks order by 1"
    assert sql.execute(dimensions).fetchall() == [(1, 8), (made.id, 10)]


def test_switching_is_not_noticed_by_a_searcher(
    client: ragpg.Client, url: str, tmp_path: Path
) -> None:
    """While an index is built, activated, rolled back and dropped: no error, nothing empty, no mix."""
    folder = write(tmp_path / "docs", 40)
    pages = client.collection("pages")
    pages.add(folder, chunk_tokens=50)
    done = threading.Event()
    seen: list[set[int]] = []
    failures: list[Any] = []

    def search() -> None:
        with ragpg.connect(url, embedder=WordEmbedder()) as reader:
            held = reader.collection("pages")
            while not done.is_set():
                try:
                    hits = held.search("rate limit paragraph", k=20)
                    with reader.database.connection() as connection:
                        rows = connection.execute(
                            "select distinct index_id from ragpg.chunks where id = any(%s)",
                            ([hit.chunk_id for hit in hits],),
                        ).fetchall()
                    seen.append({row[0] for row in rows})
                    if len(hits) != 20:
                        failures.append(len(hits))
                except Exception as error:
                    failures.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        first = client.health.status()["indexes"][0]["index_id"]
        made = pages.indexes.create(chunk_tokens=30)
        client.collection().indexes.fill(made.id)
        for _ in range(20):
            client.collection().indexes.activate(made.id)
            pages.indexes.rollback()
        client.collection().indexes.activate(made.id)
        client.collection().indexes.activate(first)
        client.collection().indexes.drop(made.id)
    finally:
        done.set()
        thread.join()
    assert failures == []
    # An empty set is one whose index was dropped before we looked where its chunks came from.
    assert all(len(indexes) <= 1 for indexes in seen), "one search, two recipes"
    assert {first} in seen and {made.id} in seen


def test_a_search_that_began_before_the_drop_is_waited_for_or_told(
    client: ragpg.Client, url: str, sql: psycopg.Connection
) -> None:
    """A dropped table is gone for older snapshots, too: they must not find silently nothing."""
    pages = client.collection("pages")
    pages.add(text="The refund takes five days.", source="a")
    made = pages.indexes.create(chunk_tokens=30)
    client.collection().indexes.fill(made.id)
    first = client.health.status()["indexes"][0]["index_id"]
    ask = "select count(*) from ragpg.search('refund', collection => 'pages', mode => 'keyword')"
    client.collection().indexes.activate(made.id)
    with psycopg.connect(url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        value(reader, "select 1")
        client.collection().indexes.activate(first)
        drop = threading.Thread(target=client.collection().indexes.drop, args=(made.id,))
        drop.start()
        asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
        wait_for(lambda: value(sql, asleep))
        assert value(reader, ask) == 1, "the drop did not wait for a search of the old index"
        reader.commit()
        drop.join()
    assert value(sql, f"select to_regclass('ragpg.chunks_{made.id}') is null")
    made = pages.indexes.create(chunk_tokens=30)
    client.collection().indexes.fill(made.id)
    client.collection().indexes.activate(made.id)
    with psycopg.connect(url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        value(reader, "select 1")
        client.collection().indexes.activate(first)
        client.collection().indexes.drop(made.id)  # the reader never ends: five seconds
        with pytest.raises(psycopg.Error, match="dropped during the search") as raised:
            value(reader, ask)
        assert raised.value.sqlstate == "RG010"


def test_a_search_that_waited_for_a_drop_says_so(
    client: ragpg.Client, sql: psycopg.Connection, url: str
) -> None:
    """The vector leg looked at the table's name before, and finds it gone after, the drop."""
    pages = client.collection("pages")
    pages.add(text="The refund takes five days.", source="a")
    made = pages.indexes.create(chunk_tokens=30)
    client.collection().indexes.fill(made.id)
    embedding = HalfVector(client.session.embedder.embed_query("refund"))
    raised: list[psycopg.Error] = []

    def ask() -> None:
        with psycopg.connect(url, application_name="waits") as reader:
            register_vector(reader)
            try:
                reader.execute(
                    "select from ragpg.search('refund', query_embedding => %s, mode => 'vector',"
                    " index_id => %s)",
                    (embedding, made.id),
                )
            except psycopg.Error as error:
                raised.append(error)

    with psycopg.connect(url) as dropper:
        dropper.execute(f"drop table ragpg.chunks_{made.id} cascade".encode())
        asking = threading.Thread(target=ask)
        asking.start()
        waits = "select count(*) from pg_stat_activity where application_name = 'waits'"
        wait_for(lambda: value(sql, f"{waits} and wait_event_type = 'Lock'"))
        dropper.commit()
        asking.join()
    assert [error.sqlstate for error in raised] == ["RG010"]


def test_versions_are_kept_pruned_and_read(client: ragpg.Client, sql: psycopg.Connection) -> None:
    one = client.collection("one")
    for content in ("The refund takes five days.", "Six days.", "Seven days."):
        one.add(text=content, source="a")
    versions = [(row["version"], row["valid_to"] is None) for row in one.versions.history("a")]
    assert versions == [(3, True), (2, False), (1, False)]
    assert one.versions.text("a", 1) == "The refund takes five days."
    assert one.versions.text("a") == "Seven days."
    sql.execute(
        """
        select ragpg.save_answer('one', 'q', 'five days', null, false, true, null, 0, 0, 0, 0, 0,
            '[{"document_id": 1, "document_version": 1, "start_char": 4, "end_char": 10,
               "quote": "refund", "answer_start": 0, "answer_end": 4}]')
        """
    )
    assert [row["citations"] for row in one.versions.history("a")] == [0, 0, 1]
    assert value(sql, "select ragpg.prune_versions('1 day')") == 0
    assert value(sql, "select ragpg.prune_versions('0', 'one')") == 1, "the cited one stays"
    assert [row["version"] for row in one.versions.history("a")] == [3, 1]
    assert one.delete("a")
    assert [row["version"] for row in one.versions.history("a")] == [3, 1], (
        "also of a deleted document"
    )


def test_erasing_leaves_no_trace(
    client: ragpg.Client, sql: psycopg.Connection, url: str, tmp_path: Path
) -> None:
    """A dump of the whole database holds not one of its words afterwards."""
    one = client.collection("one")
    secret = "Zanzibar quokka refund"
    one.add(text=f"{secret} old.", source="secret.md", metadata={"owner": "Zanzibar"})
    one.add(text=f"{secret} new, of Xerxes.", source="secret.md", title="Zanzibar")
    one.add(text="The rate limit.", source="b.md")
    made = one.indexes.create(chunk_tokens=20)
    client.collection().indexes.fill(made.id)
    one.ask("Who is the quokka refund of?")
    cited = sql.execute("select id, version from ragpg.documents where source = 'secret.md'")
    document_id, version = cited.fetchone() or (0, 0)
    citation = {
        "document_id": document_id, "document_version": version, "start_char": 9,
        "end_char": 15, "quote": "quokka", "answer_start": 0, "answer_end": 6,
    }  # fmt: skip
    sql.execute(
        "select ragpg.save_answer('one', 'q?', 'quokka', 'm', false, true, null, 0, 0, 0, 0, 0, %s)",
        (json.dumps([citation]),),
    )
    traces = ("anzibar", "quokka", "xerxes", "secret")
    assert all(trace in dump(url).lower() for trace in traces)
    gone = one.versions.erase("secret.md")
    assert gone["documents"] == 1 and gone["versions"] == 1 and gone["answers"] >= 1
    left = dump(url).lower()
    assert [trace for trace in traces if trace in left] == []
    assert "rate limit" in left
    assert one.versions.erase("secret.md") == {"documents": 0, "versions": 0, "answers": 0}


def dump(url: str) -> str:
    import subprocess

    from ragpg.database import embedded

    program = embedded.bin_folder() / "pg_dump"
    return subprocess.run([program, url], capture_output=True, text=True, check=True).stdout


def test_a_table_of_ones_own(client: ragpg.Client, sql: psycopg.Connection) -> None:
    """Long, because it is one table's life: each step stands on the one before."""
    sql.execute("create schema shop")
    sql.execute(
        'create table shop."Articles" ('
        ' id integer primary key, "the name" text, body text, price numeric, tags text[])'
    )
    articles = 'shop."Articles"'
    sql.execute(
        f"insert into {articles} values (1, 'Refunds', 'The refund takes days.', 2.5, '{{a,b}}')"
    )
    sql.execute(f"insert into {articles} values (2, 'Empty', null, 1, null)")
    sql.execute("create role shopper")
    try:
        call = f"""
            select ragpg.index_table('{articles}', 'shop', 'id', 'body', 'the name',
                '{{price,tags}}', 'text/markdown')
        """
        assert value(sql, call) == 2
        assert value(sql, call) == 2, "again: it is replaced"
        rows = "select source, title, content, metadata, media_type, version from ragpg.documents order by 1"
        metadata = {"price": 2.5, "tags": ["a", "b"]}
        first = ("1", "Refunds", "The refund takes days.", metadata, "text/markdown", 1)
        assert sql.execute(rows).fetchall() == [first]
        listed = "select table_name::text, collection, source_column, content_column, title_column, metadata_columns from ragpg.indexed_tables"
        assert sql.execute(listed).fetchall() == [
            (articles, "shop", "id", "body", "the name", ["price", "tags"])
        ]
        # A role that may only write the table keeps the collection in step.
        sql.execute("grant usage on schema shop to shopper")
        sql.execute(f"grant all on {articles} to shopper")
        sql.execute("set role shopper")
        sql.execute(f"update {articles} set body = 'The login.' where id = 2")
        sql.execute(f"update {articles} set id = 3 where id = 1")
        sql.execute(f"insert into {articles} values (4, 'Four', 'The rate limit.', 3, null)")
        sql.execute(f"update {articles} set body = ' ' where id = 2")
        sql.execute(f"delete from {articles} where id = 4")
        sql.execute("reset role")
        assert [row[0] for row in sql.execute(rows).fetchall()] == ["3"]
        client.worker().drain()
        hits = client.collection("shop").search("refund", filter="$.price > 2")
        assert [(hit.source, hit.title) for hit in hits] == [("3", "Refunds")]
        client.collection("shop").add(text="Not the table's.", source="other")
        sql.execute(f"truncate {articles}")
        assert [row[0] for row in sql.execute(rows).fetchall()] == ["other"]
        sql.execute(f"insert into {articles} values (5, 'Five', 'The rate limit.', 3, null)")
        stop = f"select ragpg.stop_indexing_table('{articles}', 'shop', delete_documents => true)"
        assert value(sql, stop) == 1
        assert value(sql, stop) == 0
        assert sql.execute(listed).fetchall() == []
        sql.execute(f"insert into {articles} values (6, 'Six', 'The rate limit.', 3, null)")
        assert [row[0] for row in sql.execute(rows).fetchall()] == ["other"]
        with pytest.raises(psycopg.Error, match='has no column "bodies"') as raised:
            sql.execute(f"select ragpg.index_table('{articles}', 'shop', 'id', 'bodies')")
        assert raised.value.sqlstate == "RG005"
    finally:
        sql.execute("reset role")
        sql.execute("drop owned by shopper")
        sql.execute("drop role shopper")
