"""The cache of query embeddings: right, bounded, never in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragpg.encoders.encoders import load_encoder

from .small_models import SMALL, add_model, build_model

Sql = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("small") / "model", **SMALL)


@pytest.fixture
def key(sql: Sql, folder: Path) -> int:
    """The only encoder of the database, small and random, taken as verified."""
    key = add_model(sql, "small", 48)
    load(sql, key, folder)
    return key


def load(sql: Sql, key: int, folder: Path) -> None:
    load_encoder(sql, key, folder)
    sql.execute(
        "update ragpg.encoders set verified_cosine = 1 where embedding_model_id = %s", [key]
    )


def embed(sql: Sql, query: str) -> Any:
    row = sql.execute("select ragpg.embed_query(%s)::text", (query,)).fetchone()
    assert row is not None
    return row[0]


def stored(sql: Sql) -> int:
    row = sql.execute("select count(*) from ragpg.query_embeddings").fetchone()
    assert row is not None
    return int(row[0])


def test_a_question_asked_again_is_looked_up(sql: Sql, key: int) -> None:
    first = embed(sql, "how long do refunds take")
    assert (embed(sql, "how long do refunds take"), stored(sql)) == (first, 1)
    with sql.transaction(force_rollback=True):
        sql.execute("alter table ragpg.encoders disable trigger encoders_forget_queries")
        sql.execute("delete from ragpg.encoder_weights")
        assert embed(sql, "how long do refunds take") == first, "without weights, nothing computes"
        with pytest.raises(psycopg.Error):
            embed(sql, "how long do refunds last")
    computed = sql.execute(
        "select ragpg_internal.encode(%s, ragpg_internal.query_tokens(%s, 'how long do refunds take'))::text",
        (key, key),
    ).fetchone()
    assert computed == (first,)
    assert embed(sql, "How long do refunds take") == first, "tokens are the same"
    assert stored(sql) == 2, "but the texts are two"


def test_one_statement_computes_a_question_once(sql: Sql, key: int) -> None:
    sql.execute("select ragpg.embed_query('refund') from generate_series(1, 20)")
    assert stored(sql) == 1


def test_the_question_is_not_kept(sql: Sql, key: int) -> None:
    embed(sql, "a secret question")
    row = sql.execute("select known::text from ragpg.query_embeddings as known").fetchone()
    assert row is not None and "secret" not in row[0]


def test_the_oldest_go_first(sql: Sql, key: int) -> None:
    sql.execute("update ragpg.encoders set cached_queries = 20")
    for number in range(300):
        embed(sql, f"question {number}")
    assert 20 <= stored(sql) < 20 + 128
    before = stored(sql)
    embed(sql, "question 299")
    assert stored(sql) == before, "the newest are kept"
    embed(sql, "question 0")
    assert stored(sql) in (before + 1, 20), "the oldest is not"


def test_dropping_the_oldest_reads_each_row_a_few_times(sql: Sql, key: int) -> None:
    """A plan that counts from the newest for every row would read millions here."""
    sql.execute("update ragpg.encoders set cached_queries = 1000")
    sql.execute(
        "insert into ragpg.query_embeddings"
        " (embedding_model_id, query_hash, embedding, weights_loaded_at)"
        " select %s, ragpg_internal.hash_text(n::text), array_fill(0::real, array[48])::vector, now()"
        " from generate_series(1, 3000) as n",
        [key],
    )
    with sql.transaction():
        for number in range(128):  # one of these evicts
            embed(sql, f"question {number}")
        row = sql.execute(
            "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables"
            " where relname = 'query_embeddings'"
        ).fetchone()
    assert stored(sql) < 1000 + 128
    assert row is not None and row[0] < 20 * 3128


def test_another_model_does_not_evict(sql: Sql, key: int, tmp_path: Path) -> None:
    embed(sql, "kept")
    other = add_model(sql, "other", 48)
    load(sql, other, build_model(tmp_path / "other", **SMALL))
    sql.execute(
        "update ragpg.encoders set cached_queries = 5 where embedding_model_id = %s", [other]
    )
    for number in range(260):
        sql.execute("select ragpg.embed_query(%s, %s)", (str(number), other))
    counts = dict(
        sql.execute(
            "select embedding_model_id, count(*) from ragpg.query_embeddings group by 1"
        ).fetchall()
    )
    assert counts[key] == 1 and counts[other] < 5 + 128


def test_capacity_zero_is_off(sql: Sql, key: int) -> None:
    embed(sql, "refund")
    sql.execute("update ragpg.encoders set cached_queries = 0")
    assert stored(sql) == 0
    embed(sql, "refund")
    assert stored(sql) == 0
    with pytest.raises(psycopg.errors.CheckViolation, match="cached_queries_is_not_negative"):
        sql.execute("update ragpg.encoders set cached_queries = -1")


def test_a_bad_hash_is_refused(sql: Sql, key: int) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="query_hash_is_a_sha256"):
        sql.execute(
            "insert into ragpg.query_embeddings"
            " (embedding_model_id, query_hash, embedding, weights_loaded_at)"
            " values (%s, 'short', '[1]', now())",
            [key],
        )


def test_loading_anew_and_dropping_empty_it(sql: Sql, key: int, folder: Path) -> None:
    first = embed(sql, "refund")
    load(sql, key, folder)
    assert stored(sql) == 0
    assert embed(sql, "refund") == first and stored(sql) == 1
    sql.execute("update ragpg.encoders set max_query_tokens = 3")
    assert stored(sql) == 0, "a shorter limit gives other vectors"
    embed(sql, "refund")
    sql.execute("delete from ragpg.encoders")
    assert stored(sql) == 0


def test_vectors_of_other_weights_are_not_used(sql: Sql, key: int) -> None:
    """As when a search that began before a load stores its vector after it."""
    right = embed(sql, "refund")
    sql.execute(
        "update ragpg.query_embeddings"
        " set embedding = array_fill(1::real, array[48])::vector, weights_loaded_at = '2001-01-01'"
    )
    assert embed(sql, "refund") == right


def test_read_only_and_strict_transactions_search_but_store_nothing(sql: Sql, key: int) -> None:
    for mode in ("read only", "isolation level repeatable read", "isolation level serializable"):
        with sql.transaction():
            sql.execute(f"set transaction {mode}".encode())
            embed(sql, "refund")
    assert stored(sql) == 0
    first = embed(sql, "refund")
    with sql.transaction():
        sql.execute("set transaction read only")
        assert embed(sql, "refund") == first, "what is there is used"


@pytest.fixture
def reader(sql: Sql, url: str, key: int) -> Iterator[Sql]:
    sql.execute("create role cache_reader login")
    try:
        sql.execute("select ragpg.grant_reader('cache_reader')")
        with psycopg.connect(url, user="cache_reader", autocommit=True) as connection:
            yield connection
    finally:
        sql.execute("drop owned by cache_reader")
        sql.execute("drop role cache_reader")


def test_a_role_that_only_reads_fills_it_with_right_vectors_alone(
    sql: Sql, key: int, reader: Sql
) -> None:
    first = embed(reader, "refund")
    assert stored(sql) == 1 and embed(sql, "refund") == first
    for statement in (
        "insert into ragpg.query_embeddings"
        " (embedding_model_id, query_hash, embedding, weights_loaded_at)"
        " select 1, sha256('x'), '[1]', now()",
        "update ragpg.query_embeddings set embedding = '[1]'",
        "delete from ragpg.query_embeddings",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(statement.encode())


def test_a_role_that_may_not_store_computes(sql: Sql, key: int, reader: Sql) -> None:
    """As a role granted by hand, or by an earlier ragpg."""
    sql.execute("revoke execute on function ragpg_internal.remember_query from cache_reader")
    embed(reader, "refund")
    assert stored(sql) == 0


def test_no_session_waits_for_another(url: str, sql: Sql, key: int, folder: Path) -> None:
    """Each step would wait for the open transaction, and fail by lock_timeout, were it locked."""
    with psycopg.connect(url) as slow, psycopg.connect(url, autocommit=True) as quick:
        quick.execute("set lock_timeout = 1")
        slow.execute("update ragpg.encoders set cached_queries = 10")
        slow.commit()
        for number in range(300):  # new questions, and evictions, not committed
            embed(slow, f"question {number}")
        for number in range(300):
            embed(quick, f"question {number}")
        load(quick, key, folder)  # a load does not wait for searches
        slow.rollback()
        with slow.transaction(force_rollback=True):
            load_encoder(slow, key, folder)  # and a search does not wait for a load
            embed(quick, "refund")
            slow.execute("select from ragpg.embedding_models for update")
            embed(quick, "refunds")
    assert 0 < stored(sql) < 10 + 2 * 128


def test_the_function_stays_usable_in_an_index_scan(sql: Sql, key: int) -> None:
    """A volatile function would lose the vector index, and be called for every row."""
    sql.execute("create table near (embedding vector(48))")
    sql.execute("create index near_hnsw on near using hnsw (embedding vector_cosine_ops)")
    sql.execute(
        "insert into near select array_fill(n::real, array[48])::vector from generate_series(1, 9) n"
    )
    sql.execute("set enable_seqscan = off")
    plan = sql.execute(
        "explain select * from near order by embedding <=> ragpg.embed_query('refund') limit 3"
    ).fetchall()
    assert any("near_hnsw" in line for (line,) in plan)
    rows = sql.execute(
        "select proname, provolatile, proparallel from pg_proc"
        " where pronamespace::regnamespace::text like 'ragpg%'"
        " and proname in ('search', 'embed_query', 'remember_query') order by 1"
    ).fetchall()
    assert rows == [("embed_query", "s", "u"), ("remember_query", "v", "u"), ("search", "s", "u")]
