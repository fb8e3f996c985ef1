"""No byte of another tenant, whatever statement a reader of one writes."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg.database.migrations import migrate

from ..conftest import WordEmbedder, role
from .tenants import MARKER, _login

NO_CONTENT = {
    "alembic_version",
    "encoder_embeddings",
    "encoder_layers",
    "encoder_positions",
    "encoder_vocabulary",
    "encoder_weights",
    "encoders",
    "search_indexes",
    "tenant_roles",  # row-level security always, without a policy
}


def test_every_table_is_protected_or_known_to_hold_no_content(shared: psycopg.Connection) -> None:
    rows = shared.execute(
        """
        select kept.relname, kept.relrowsecurity
        from pg_class as kept
        where kept.relnamespace = 'ragpg'::regnamespace and kept.relkind in ('r', 'p')
        """
    ).fetchall()
    assert {name for name, protected in rows if not protected} | {"tenant_roles"} == NO_CONTENT


def test_a_tenant_sees_its_own_and_nothing_else(reader: psycopg.Connection) -> None:
    tenants = reader.execute("select tenant, count(*) from ragpg.documents group by 1").fetchall()
    assert tenants == [("a", 4)]
    found = reader.execute(
        "select source, content from ragpg.search('refund money', collection => 'shared')"
    ).fetchall()
    assert len(found) == 4 and MARKER not in str(found)
    assert (
        reader.execute(
            "select 1 from ragpg.search(%s, collection => 'shared', mode => 'keyword')", (MARKER,)
        ).fetchall()
        == []
    )


def test_each_tenant_finds_all_of_its_own(shared: psycopg.Connection, words: WordEmbedder) -> None:
    for tenant in ("a", MARKER):
        shared.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
        for mode in ("hybrid", "vector", "keyword"):
            rows = shared.execute(
                "select count(*), bool_and(tenant = %s) from ragpg.search('refund', collection =>"
                " 'shared', query_embedding => %s, mode => %s, filter => '$.year == 2026' ) as hit"
                " join ragpg.documents on id = document_id",
                (tenant, str(words.embed_query("refund").tolist()), mode),
            ).fetchone()
            assert rows is not None and rows[1] and rows[0] >= 3, (tenant, mode, rows)


def test_without_a_tenant_there_is_nothing(shared: psycopg.Connection, server: str) -> None:
    for reader in _login(shared, server, "tenant_reader_none", None):
        for name in ("documents", "chunks", "document_status", "answers", "searches", "chunks_1"):
            assert reader.execute(f"select 1 from ragpg.{name}".encode()).fetchall() == [], name
        for call in (
            "ragpg.search('refund', collection => 'shared')",
            "ragpg_internal.keyword_candidates(1, array['refund'::tsquery], array[1], 10, 10)",
            "ragpg_internal.matching_documents(1, '$.year == 2026')",
        ):
            with pytest.raises(psycopg.Error) as raised:
                reader.execute(f"select * from {call}".encode())
            assert raised.value.sqlstate == "RG013"
        reader.execute("set ragpg.tenant = 'a'")  # the setting of a role that is not bound counts
        assert reader.execute("select count(*) from ragpg.documents").fetchone() == (4,)


def test_a_bound_role_cannot_name_another_tenant(reader: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        reader.execute("select ragpg.set_tenant(%s)", (MARKER,))
    assert raised.value.sqlstate == "RG013"
    reader.execute(f"set ragpg.tenant = '{MARKER}'".encode())
    assert reader.execute("select count(*) from ragpg.documents").fetchone() == (0,)
    reader.execute("set row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("select count(*) from ragpg.documents")


def test_a_writer_writes_only_its_own(shared: psycopg.Connection, server: str) -> None:
    for writer in _login(shared, server, "tenant_writer_a", "a", "writer"):
        assert writer.execute("update ragpg.documents set title = 'x'").rowcount == 4
        assert writer.execute("delete from ragpg.chunks where tenant <> 'a'").rowcount == 0
        row = writer.execute(
            "select outcome from ragpg.put_document('shared', %s, 'own')", (f"{MARKER}-1",)
        ).fetchone()
        assert row == ("added",)
        for change in ("delete_documents('shared'", """update_metadata('{"a": 1}', 'shared'"""):
            would = f"select * from ragpg.{change}, '$.year == 2026', dry_run => true) as source"
            touched = [row[0] for row in writer.execute(would.encode())]
            assert touched == ["a-1", "a-2", "a-3"]
        others = (
            "insert into ragpg.documents (collection_id, source, content, tenant)"
            f" values (1, 'x', 'x', '{MARKER}')",
            f"update ragpg.documents set tenant = '{MARKER}'",
            "insert into ragpg.index_documents (index_id, document_id, tenant) values (1, 5, 'a')",
            "insert into ragpg.citations (answer_id, ordinal, document_id, document_version,"
            " start_char, end_char, quote, answer_start, answer_end)"
            f" values (2, 9, 5, 1, 0, 6, '{MARKER[:6]}', 0, 1)",
            "select ragpg.drop_collection('shared')",
            "select ragpg.drop_search_index(1)",
            "select ragpg.tune_ef_search('shared')",
            "select ragpg.quantize_search_index(1, 'bit')",
            "select ragpg.create_search_index('shared', 1, 50)",
            "select ragpg.activate_search_index(1)",
        )
        for statement in others:
            with pytest.raises(psycopg.Error) as raised:
                writer.execute(statement.encode())
            assert MARKER not in str(raised.value).replace(statement, ""), statement
        assert writer.execute("delete from ragpg.collections").rowcount == 0
    left = shared.execute(
        "select count(*), count(distinct version) from ragpg.documents where tenant = %s", (MARKER,)
    ).fetchone()
    assert left == (4, 2)


def test_words_are_counted_for_each_tenant(shared: psycopg.Connection) -> None:
    counts = shared.execute(
        "select tenant, chunk_count from ragpg.index_statistics order by tenant"
    ).fetchall()
    assert counts == [("", 8), ("a", 4), (MARKER, 4)]
    rows = shared.execute(
        "select tenant from ragpg.lexeme_statistics where lexeme = %s order by 1", (MARKER,)
    ).fetchall()
    assert rows == [("",), (MARKER,)]


def test_estimates_do_not_tell_what_others_say(reader: psycopg.Connection) -> None:
    def estimate(condition: str) -> Any:
        row = reader.execute(
            f"explain (format json) select 1 from ragpg.documents where {condition}".encode()
        ).fetchone()
        assert row is not None
        return row[0][0]["Plan"]["Plan Rows"]

    text = f"{MARKER} refund money rate limit. title"
    assert estimate(f"title = '{text}'") == estimate("title = 'no such title'")
    assert estimate(f"title < '{MARKER[:4]}'") == estimate(f"title < '{MARKER}zz'")
    assert estimate(f"tenant = '{MARKER}'") == estimate("tenant = 'no such tenant'")
    rows = reader.execute(
        "select 1 from pg_stats where schemaname = 'ragpg' and tablename in ('documents', 'chunks')"
    ).fetchall()
    assert rows == []


def test_indexes_over_texts_have_the_tenant_in_them(shared: psycopg.Connection) -> None:
    """Else a comparison, which is leakproof, searches them before the policy is asked."""
    rows = shared.execute(
        """
        select ind.indexrelid::regclass::text
        from pg_index as ind
        join pg_class as tab on tab.oid = ind.indrelid
        join pg_class as kept on kept.oid = ind.indexrelid
        join pg_am as method on method.oid = kept.relam
        join pg_attribute as col on col.attrelid = tab.oid and col.attnum = any(ind.indkey)
        where tab.relnamespace = 'ragpg'::regnamespace and tab.relrowsecurity
            and tab.relname not in ('collections', 'embedding_models', 'model_prices')
            and tab.oid not in (select relation from ragpg_internal.protected_tables() where closed)
            and method.amname in ('btree', 'hash')
        group by ind.indexrelid
        having bool_or(col.atttypid in ('text'::regtype, 'bytea'::regtype))
            and not bool_or(col.attname = 'tenant')
        """
    ).fetchall()
    assert rows == []


def test_closed_tables_are_not_even_scanned(reader: psycopg.Connection) -> None:
    plan = reader.execute(
        "explain select from ragpg.chunk_contexts where collection_id = 1 and asked_hash >= ''"
    ).fetchall()
    if reader.info.server_version >= 170000:
        assert "Scan" not in str(plan) and "One-Time Filter: false" in str(plan)
    else:
        assert "Filter: (false AND " in str(plan), "nothing else is asked of any row"


def test_plans_do_not_count_what_others_say(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    reader.execute("set enable_seqscan = off")

    def removed(statement: str) -> list[int]:
        row = reader.execute(f"explain (analyze, format json) {statement}".encode()).fetchone()
        assert row is not None
        return [int(n) for n in re.findall(r"Removed by [A-Za-z ]+': (\d+)", str(row[0]))]

    set_id = shared.execute(
        "select id from ragpg.evaluation_sets where tenant = %s", (MARKER,)
    ).fetchone()
    assert set_id is not None
    for guessed in (
        f"ragpg.evaluation_questions where evaluation_set_id = {set_id[0]} and question >= '{{}}'",
        f"ragpg.evaluation_drafts where evaluation_set_id = {set_id[0]} and question >= '{{}}'",
        "ragpg.document_versions where collection_id = 1 and source >= '{}'",
        "ragpg.documents where collection_id = 1 and source >= '{}'",
        f"ragpg.lexeme_statistics where index_id = 1 and tenant = '{MARKER}' and lexeme >= '{{}}'",
    ):
        # Of B's sources, "same" is the one that has versions.
        guess = "same" if "document_versions" in guessed else MARKER[:4]
        right, wrong = (removed(f"select 1 from {guessed.format(one)}") for one in (guess, "zzz"))
        assert right == wrong, guessed
    hashed = shared.execute(
        "select content_hash::text from ragpg.chunks where tenant = %s limit 1", (MARKER,)
    ).fetchone()
    assert hashed is not None
    same = "ragpg.chunks where index_id = 1 and content_hash ="
    assert removed(f"select 1 from {same} '{hashed[0]}'") == removed(
        f"select 1 from {same} '\\x00'"
    )


def test_words_and_metadata_keep_their_indexes(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    legs = shared.execute(
        "select bool_and(prosecdef) from pg_proc where oid in (select called from ragpg_internal.tenant_legs())"
    ).fetchone()
    assert legs == (True,)
    shared.execute(  # many chunks of the tenant, few with the word
        "insert into ragpg.chunks (index_id, document_id, document_version, ordinal, start_char,"
        " end_char, token_count, lexeme_count, language, content, lexemes, embedding, tenant)"
        " select index_id, document_id, document_version, 10 + number, 0, 6, 1, 1, language,"
        " 'filler', '', embedding, tenant from ragpg.chunks, generate_series(1, 500) as number"
        " where tenant = 'a'"
    )
    shared.execute("vacuum analyze ragpg.chunks_1")
    scans = "select pg_stat_get_numscans('ragpg.chunks_1_lexemes_gin'::regclass)"
    before = shared.execute(scans.encode()).fetchone()
    found = reader.execute(
        "select * from ragpg_internal.keyword_candidates(1, array['refund'::tsquery], array[1], 10, 10)"
    ).fetchall()
    assert len(found) == 4
    reader.execute("select pg_stat_force_next_flush()")
    after = shared.execute(scans.encode()).fetchone()
    assert before is not None and after is not None and after[0] > before[0]


def test_off_is_as_before(shared: psycopg.Connection, server: str) -> None:
    shared.execute("select ragpg.disable_tenants()")
    for reader in _login(shared, server, "tenant_reader_off", None):
        assert reader.execute("select count(*) from ragpg.documents").fetchone() == (8,)
        found = reader.execute(
            "select 1 from ragpg.search('refund', collection => 'shared', mode => 'keyword')"
        ).fetchall()
        assert len(found) == 8


def test_a_client_acts_for_its_tenant(
    shared: psycopg.Connection, server: str, words: WordEmbedder, url: str
) -> None:
    with pytest.raises(ragpg.errors.NoTenant, match="would see the rows of all tenants"):
        ragpg.connect(url, embedder=words, tenant="a")
    for writer in _login(shared, server, "tenant_writer_client", None, "writer"):
        theirs = url.replace("postgres:@", f"{writer.info.user}:@")
        with ragpg.connect(theirs, embedder=words, tenant="a") as client:
            client.collection("shared").add(text="Another refund.", source="later")
            hits = client.collection("shared").search("refund", k=20)
            assert len(hits) == 5 and MARKER not in str(hits)
            assert client.collection("shared").delete("later")
            # Nothing is left on the connection for whoever has it next.
            pool = client.database._open_pool()
            with pool.connection() as bare:
                assert bare.execute("select count(*) from ragpg.documents").fetchone() == (0,)


def test_an_owner_who_is_no_superuser_switches_it_on(
    owner_url: str, server: str, words: WordEmbedder
) -> None:
    migrate(owner_url)
    role(server, "tenant_reader_owned")
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("select ragpg.enable_tenants()")
        owner.execute("select ragpg.grant_reader('tenant_reader_owned')")
        owner.execute("select ragpg.bind_role('tenant_reader_owned', 'a')")
        for tenant in ("a", MARKER):
            owner.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
            owner.execute(
                "select ragpg.put_document('shared', 'same', %s)", (f"{tenant} refund money",)
            )
        owner.execute("reset ragpg.tenant")
        with ragpg.connect(owner_url, embedder=words) as client:
            assert client.worker("shared").drain().indexed == 2
        with psycopg.connect(owner_url, user="tenant_reader_owned", autocommit=True) as reader:
            for mode in ("keyword", "hybrid"):
                found = reader.execute(
                    "select content from ragpg.search('refund', collection => 'shared', mode => %s)",
                    (mode,),
                ).fetchall()
                assert found == [("a refund money",)]


def test_the_owners_worker_takes_no_embedding_of_another_tenant(
    shared: psycopg.Connection, client: ragpg.Client, server: str
) -> None:
    """A tenant that knows a text could store it with a wrong embedding, for others to take over."""
    text = "A refund of some kind, told to everybody."
    put = "select ragpg.put_document('shared', 'told', %s)"
    embedding = "select distinct embedding::text from ragpg.chunks where content = %s"
    client.worker("shared").drain()
    for poisoner in _login(shared, server, "tenant_poisoner", MARKER, "writer"):
        poisoner.execute(put, (text,))
        assert client.worker("shared").drain().chunks_embedded == 1
        right = poisoner.execute(embedding, (text,)).fetchall()
        poisoner.execute(
            "update ragpg.chunks set embedding = '[0,0,0,0,0,0,0,1]' where content = %s", (text,)
        )
        assert poisoner.execute(embedding, (text,)).fetchall() != right
    for victim in _login(shared, server, "tenant_victim", "a", "writer"):
        victim.execute(put, (text,))
        done = client.worker("shared").drain()
        assert (done.indexed, done.chunks_embedded, done.chunks_reused) == (1, 1, 0)
        assert victim.execute(embedding, (text,)).fetchall() == right
        # Its own it takes over, by whomever it is indexed.
        victim.execute("select ragpg.put_document('shared', 'told again', %s)", (text,))
        assert client.worker("shared").drain().chunks_reused == 1
