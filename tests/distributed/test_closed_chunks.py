"""What a tenant's role can try where tenants are kept apart on several servers, and gets."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import ragpg

from ..conftest import role
from ..database.tenants import MARKER, _login, put_texts
from .conftest import Cluster
from .tenants import TEXTS, reader, server, shared, spread, url, writer

__all__ = ["reader", "server", "shared", "spread", "url", "writer"]

VECTOR = "'[1,0,0,0,0,0,0,0]'"
IDS = "array(select generate_series(1, 60)::bigint)"
ONE_CHUNK = (
    "array[0], array[0], array[null::integer], array[1], array['english'], array[''],"
    " array['poison'], array['[1,0,0,0,0,0,0,0]'::halfvec], array[0]"
)
DIRECT = (
    "select * from ragpg.chunks",
    "select count(*) from ragpg.chunks where tenant = 'a'",
    "select * from ragpg.chunks_1",
    "select 1 from ragpg.chunk_sizes",
    f"explain select from ragpg.chunks where tenant = '{MARKER}'",
    f"explain (analyze) select from ragpg.chunks where tenant = '{MARKER}'",
    "prepare asked as select * from ragpg.chunks; execute asked",
    "do $$ declare one record; begin for one in select * from ragpg.chunks loop end loop; end $$",
    "create temp table taken as select * from ragpg.chunks",
    "select ragpg.measure_recall('shared')",
    "select ragpg.verify()",
    "delete from ragpg.chunks",
    "update ragpg.chunks set page = 1",
    "insert into ragpg.chunks (index_id, document_id, document_version, ordinal, start_char,"
    " end_char, token_count, lexeme_count, language, content, lexemes, embedding, tenant)"
    " values (1, 1, 1, 9, 0, 1, 1, 1, 'english', 'x', '', '[1,0,0,0,0,0,0,0]', 'a')",
    "truncate ragpg.chunks",
    "create index on ragpg.chunks (content)",
    "alter table ragpg.chunks disable row level security",
    "set role ragpg_owner",
    "set session authorization ragpg_owner",
    "select set_config('role', 'ragpg_owner', false)",
    "set row_security = off; select * from ragpg.chunks",
    "select ragpg_internal.close_table('ragpg.chunks', false)",
    "select ragpg_internal.hand_legs()",
    "select ragpg_internal.reunite_chunks()",
    "select ragpg.disable_tenants()",
    f"select ragpg_internal.count_chunks(1, '{MARKER}')",
    "select undistribute_table('ragpg.chunks')",
)
# What is given is another tenant's.
OTHERS_READ = (
    "select content from ragpg_internal.known_chunks(%(chunks)s)",
    "select content from ragpg_internal.document_chunks(1, %(documents)s)",
    f"select chunk_id from ragpg_internal.vector_candidates(1, {VECTOR}, 9, %(documents)s, 4,"
    " '$.year == 2026')",
    "select from ragpg.surroundings((%(chunks)s::bigint[])[1]) where content is not null",
)
OTHERS_NAMED = (
    "select ragpg.similar_chunks((%(chunks)s::bigint[])[1])",
    "select ragpg_internal.carry_chunks(1, %(documents)s, 9)",
    "select ragpg_internal.write_chunks(1, %(documents)s, null, null, null, null, null, null,"
    " null, null, null, null, null)",
    f"select ragpg_internal.write_chunks(1, null, (%(documents)s::bigint[])[:1], array[1], {ONE_CHUNK})",
    "select ragpg_internal.replace_chunks(1, (%(documents)s::bigint[])[1], 1, array[0], array[3],"
    " array[''], array[1], array['[1,0,0,0,0,0,0,0]'::halfvec])",
)
# With whichever proof, but its own.
UNPROVEN = (
    f"select * from ragpg_internal.known_chunks({IDS}, proof => {{}})",
    "select * from ragpg_internal.document_chunks(1, null, {})",
    "select * from ragpg_internal.chunk_overview(1, {})",
    f"select * from ragpg_internal.word_scores(1, {IDS}, array['refund'::tsquery], array[1], 1, {{}})",
    "select * from ragpg_internal.vector_candidates(1, '[1,0,0,0,0,0,0,0]', 9, proof => {})",
    "select * from ragpg_internal.keyword_candidates(1, array['refund'::tsquery], array[1], 9, 9,"
    " proof => {})",
    "select * from ragpg_internal.known_embeddings(array[1], array['x'::bytea], proof => {})",
    f"select ragpg_internal.write_chunks(1, array[1], array[1], array[1], {ONE_CHUNK}, {{}})",
    "select ragpg_internal.carry_chunks(1, array[1], 9, {})",
)


def _refused(connection: psycopg.Connection, statement: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(statement.encode())
    assert MARKER not in str(raised.value).replace(statement, ""), statement
    return raised.value


def test_nobody_but_the_owner_reaches_the_chunks(writer: psycopg.Connection) -> None:
    for statement in DIRECT:
        assert _refused(writer, statement).sqlstate == "42501", statement
    for statement in (
        "select 1 from ragpg.chunks_of_shared",
        "table ragpg.contextual_indexes",
        "select ragpg.sample_chunks('shared', 'default')",
        "select ragpg.training_pairs('shared')",
    ):
        _refused(writer, statement)
    for table in ("ragpg.chunks", "ragpg.chunks_1"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            writer.cursor().copy(f"copy {table} to stdout".encode()) as copied,
        ):
            assert list(copied) == []
    for told in writer.execute(
        "select result from run_command_on_shards('ragpg.chunks', 'select content from %s limit 1')"
    ):
        assert "permission denied" in told[0]
    assert writer.execute("select from pg_stats where tablename like 'chunks%'").fetchall() == []


def test_the_workers_show_a_tenant_nothing(
    cluster: Cluster, shared: psycopg.Connection, writer: psycopg.Connection, url: str
) -> None:
    looked_at = 0
    for place in cluster.urls(str(conninfo_to_dict(url)["dbname"]))[1:]:
        with psycopg.connect(place, user="tenant_writer_a", autocommit=True) as there:
            there.execute("set citus.override_table_visibility = off")
            shards = there.execute(
                "select oid::regclass::text from pg_class"
                " where relkind in ('r', 'p') and relname like 'chunks%'"
            ).fetchall()
            for (name,) in shards:
                denied = _refused(there, f"select * from {name}")
                assert "permission denied" in str(denied)
                looked_at += 1
            for statement in UNPROVEN:
                for proof in ("null", "gen_random_uuid()", "ragpg_internal.proof()"):
                    _refused(there, statement.format(proof))
            assert there.execute("select from pg_stats where schemaname = 'ragpg'").rowcount == 0
    assert looked_at >= 2 * (6 + 2), "shards of the table and of its partition on each"


def _theirs(shared: psycopg.Connection) -> dict[str, list[Any]]:
    row = shared.execute(
        "select array_agg(id), array_agg(distinct document_id), array_agg(content_hash)"
        " from ragpg.chunks where tenant = %s",
        (MARKER,),
    ).fetchone()
    assert row is not None
    return {"chunks": row[0], "documents": row[1], "hashes": row[2]}


@pytest.mark.parametrize("tenant", ["", MARKER])
def test_a_setting_and_others_ids_prove_nothing(
    shared: psycopg.Connection, writer: psycopg.Connection, tenant: str
) -> None:
    theirs = _theirs(shared)
    before = shared.execute("select id, document_version from ragpg.chunks order by 1").fetchall()
    writer.execute("select set_config('ragpg.tenant', %s, false)", (tenant,))
    for statement in OTHERS_READ:
        if tenant:
            with pytest.raises(psycopg.Error, match=r"for no tenant|may not act"):
                writer.execute(statement.encode(), theirs)
        else:
            assert writer.execute(statement.encode(), theirs).fetchall() == [], statement
    for statement in OTHERS_NAMED:
        with pytest.raises(psycopg.Error, match=r"there is no|for no tenant|may not act|any more"):
            writer.execute(statement.encode(), theirs)
    after = shared.execute("select id, document_version from ragpg.chunks order by 1").fetchall()
    assert after == before


def test_what_is_counted_and_reused_is_ones_own(
    shared: psycopg.Connection, writer: psycopg.Connection
) -> None:
    theirs = _theirs(shared)

    def rows(statement: str, *given: Any) -> list[Any]:
        return writer.execute(statement.encode(), given).fetchall()

    scored = "select ragpg_internal.word_scores(1, %s, array['refund'::tsquery], array[1], 9)"
    assert rows(scored, theirs["chunks"]) == [([0.0] * len(theirs["chunks"]),)]
    for whose in (None, "a", MARKER):
        known = "select from ragpg_internal.known_embeddings(array[1], %s, %s)"
        assert rows(known, theirs["hashes"], whose) == []
    assert rows("select chunks from ragpg_internal.chunk_overview(1)") == [(4,)]


def test_without_proof_there_is_nothing(
    shared: psycopg.Connection, server: str, writer: psycopg.Connection
) -> None:
    for statement in UNPROVEN:
        for proof in ("null", "gen_random_uuid()"):
            assert _refused(writer, statement.format(proof)).sqlstate == "RG013", statement
    for nobody in _login(shared, server, "tenant_reader_none", None):
        for statement in UNPROVEN[:-2]:
            assert _refused(nobody, statement.format("ragpg_internal.proof()")).sqlstate == "RG013"
    role(server, "tenant_visitor")
    shared.execute("grant usage on schema ragpg, ragpg_internal to tenant_visitor")
    with psycopg.connect(shared.info.dsn, user="tenant_visitor", autocommit=True) as visitor:
        for statement in UNPROVEN:
            assert _refused(visitor, statement.format("null")).sqlstate == "42501"
    shared.execute("drop owned by tenant_visitor")


def test_what_citus_tells_names_no_other_tenant(
    shared: psycopg.Connection, writer: psycopg.Connection
) -> None:
    told: list[str] = []
    writer.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    writer.execute("set citus.log_remote_commands = on")
    writer.execute("set client_min_messages = debug4")
    writer.execute("select ragpg.put_document('shared', 'later', 'A refund.')")
    shared.execute("select ragpg_internal.count_chunks(1, '')")
    writer.execute("update ragpg.index_documents set indexed_at = now()")
    writer.execute("select ragpg.refresh_search_index(1, true)")
    writer.execute("select * from ragpg.search('refund', collection => 'shared')")
    writer.execute("select * from run_command_on_workers('select 1')")
    assert any("select 1" in one for one in told), "it does tell"
    assert MARKER not in str(told)
    rows = writer.execute("select query from citus_stat_activity").fetchall()
    assert MARKER not in str(rows)


@pytest.mark.parametrize("spread", ["tenant"], indirect=True)
def test_a_session_from_before_is_told_no_more(
    spread: str, client: ragpg.Client, sql: psycopg.Connection, server: str
) -> None:
    """Whether chunks are distributed is folded into plans, which sessions keep."""
    for tenant, text in TEXTS.items():
        put_texts(sql, client, tenant, text)
    sql.execute("select ragpg.enable_tenants()")
    calls = (
        f"select content from ragpg_internal.known_chunks({IDS})",
        "select content from ragpg_internal.document_chunks(1, null)",
        f"select chunk.content from ragpg_internal.vector_candidates(1, {VECTOR}, 50) as near"
        " join ragpg.documents as chunk on chunk.id = near.chunk_id",
        "select content from ragpg.search('refund', collection => 'shared')",
        f"select content from ragpg.search('', query_embedding => {VECTOR}, mode => 'vector')",
    )
    for old in _login(sql, server, "tenant_reader_old", "a"):
        for call in calls * 7:  # a plan is kept after five
            assert len(old.execute(call.encode()).fetchall()) == 4
        sql.execute("select ragpg.distribute()")
        for call in calls * 2:
            found = old.execute(call.encode()).fetchall()
            assert len(found) == 4 and MARKER not in str(found), call


def test_a_new_reader_a_new_index_and_secure_keep_it_closed(
    shared: psycopg.Connection, reader: psycopg.Connection, writer: psycopg.Connection
) -> None:
    assert shared.execute("select * from ragpg.verify()").fetchall() == []
    writer.execute("select ragpg.put_document('own', 'one', 'A refund.')")
    writer.execute("select ragpg.create_search_index('own', 1, 50)")
    _refused(reader, "select * from ragpg.chunks_2")
    _refused(writer, "select * from ragpg.chunks_2")
    shared.execute("grant select on ragpg.chunks to tenant_reader_a")
    assert reader.execute("select * from ragpg.chunks").fetchall() == [], "no policy lets it"
    told = shared.execute("select problem, object from ragpg.verify()").fetchall()
    assert told == [("table of all tenants may be read", "chunks")]
    shared.execute("select ragpg.secure()")
    assert shared.execute("select * from ragpg.verify()").fetchall() == []
    _refused(reader, "select * from ragpg.chunks")
    found = reader.execute("select from ragpg.search('refund', collection => 'shared')").fetchall()
    assert len(found) == 4


def test_off_is_open_again_and_on_is_closed(
    shared: psycopg.Connection, writer: psycopg.Connection
) -> None:
    shared.execute("select ragpg.disable_tenants()")
    assert writer.execute("select count(*) from ragpg.chunks").fetchone() == (8,)
    assert writer.execute("select count(*) from ragpg.chunks_1").fetchone() == (8,)
    assert writer.execute("update ragpg.chunks set page = 1 where ordinal = 0").rowcount == 8
    found = writer.execute("select from ragpg.search('refund', collection => 'shared')").fetchall()
    assert len(found) == 8
    shared.execute("select ragpg.enable_tenants()")
    _refused(writer, "select * from ragpg.chunks")
    found = writer.execute("select from ragpg.search('refund', collection => 'shared')").fetchall()
    assert len(found) == 4


def test_what_had_no_tenant_becomes_one_s_where_it_can(
    spread: str, client: ragpg.Client, sql: psycopg.Connection, server: str
) -> None:
    client.collection("shared").add(text="A refund of nobody's.", source="nobody's")
    sql.execute("select ragpg.enable_tenants()")
    if spread == "tenant":
        sql.execute("select ragpg.distribute()")
        with pytest.raises(psycopg.Error, match="distributed by tenant") as refused:
            sql.execute("select ragpg.enable_tenants('first')")
        assert refused.value.sqlstate == "RG005"
        assert sql.execute("select tenant from ragpg.chunks").fetchall() == [("",)]
        return
    sql.execute("select ragpg.enable_tenants('first')")
    for first in _login(sql, server, "tenant_reader_first", "first"):
        found = first.execute("select source from ragpg.search('refund', collection => 'shared')")
        assert found.fetchall() == [("nobody's",)]
    assert sql.execute("select problem from ragpg.verify()").fetchall() == []


def test_the_owner_works_for_all(
    shared: psycopg.Connection, client: ragpg.Client, writer: psycopg.Connection
) -> None:
    writer.execute("select ragpg.put_document('shared', 'later', 'A refund, later.')")
    assert client.worker("shared").drain().indexed > 0
    writer.execute(
        "select ragpg.put_document('shared', 'later', 'A refund, later.', metadata => '{\"n\": 1}')"
    )
    held = "select content, document_version, tenant from ragpg.chunks where document_id = any(%s)"
    ids = [writer.execute("select id from ragpg.documents where source = 'later'").fetchone()]
    later = [row[0] for row in ids if row is not None]
    assert shared.execute(held, (later,)).fetchall() == [("A refund, later.", 2, "a")]
    shared.execute("select ragpg.set_tenant('a', for_session => true)")
    shared.execute("select ragpg.evaluate('shared', 'default', mode => 'keyword')")
    gone = shared.execute("select documents from ragpg.erase_document('shared', 'a-1')").fetchone()
    assert gone == (1,)
    shared.execute("reset ragpg.tenant")
    for statement in (
        "select count(*) from ragpg.near_duplicates('shared', 0.1, 0.1)",
        "select count(*) from ragpg.measure_recall('shared')",
        "select count(*) from ragpg.chunks_of_shared",
        "select count(*) from ragpg.search('refund', collection => 'shared')",
        "select count(*) from ragpg.corpus_overview",
    ):
        counted = shared.execute(statement.encode()).fetchone()
        assert counted is not None and counted[0] > 0, statement
    left = "select count(*) from ragpg.chunks where tenant = %s"
    assert shared.execute(left, ("a",)).fetchone() == (4,)
    assert shared.execute(left, (MARKER,)).fetchone() == (4,)
    shared.execute("select ragpg.refresh_search_index(1)")
    assert shared.execute("select * from ragpg.verify()").fetchall() == []
    assert shared.execute("select ragpg.drop_collection('shared')").fetchone() == (8,)
