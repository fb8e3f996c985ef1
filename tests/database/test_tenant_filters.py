"""A filter tells nothing of other tenants' metadata, neither by errors nor by its plan."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from pgvector.psycopg import register_vector

import ragpg
from ragpg.models import HalfVector

from ..conftest import WordEmbedder
from .tenants import MARKER

# An attacker's condition on another tenant's metadata, and an error that `@@` does not silence.
_ORACLE = '(%s) && ($.at.datetime() < "2027-01-01".datetime())'
_TRUE_OF_B = f'$.tag starts with "{MARKER[:4]}"'


def _asked(connection: psycopg.Connection, filter_: str, mode: str) -> list[Any]:
    return connection.execute(
        "select source from ragpg.search('refund', collection => 'shared', filter => %s::jsonpath,"
        " query_embedding => '[1,0,0,0,0,0,0,0]', mode => %s)",
        (filter_, mode),
    ).fetchall()


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
@pytest.mark.parametrize("forced", ["", "enable_seqscan", "enable_bitmapscan", "enable_indexscan"])
def test_errors_of_a_filter_tell_nothing(
    reader: psycopg.Connection, mode: str, forced: str
) -> None:
    if forced:
        reader.execute(f"set {forced} = off".encode())
    for condition in (_TRUE_OF_B, '$.tag starts with "nobody"', "$.year == 2026"):
        found = _asked(reader, _ORACLE % condition, mode)
        assert len(found) == (3 if condition == "$.year == 2026" else 0)


def test_the_test_of_errors_notices_the_hole(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    shared.execute(
        """
        create or replace function ragpg_internal.matching_documents(
            index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint,
            most integer default null, proof uuid default ragpg_internal.proof()
        )
        language sql stable security definer
        set search_path = ragpg_internal, ragpg, pg_temp
        begin atomic
            select array_agg(document.id), count(*)
            from ragpg.documents as document
            -- Nothing but the order of words stands between the filter and another's rows.
            where document.metadata @@ filter and document.tenant || '' = (
                select tenant from ragpg_internal.proven_tenant($4)
            );
        end
        """
    )
    assert _asked(reader, _ORACLE % '$.tag starts with "nobody"', "keyword") == []
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        _asked(reader, _ORACLE % _TRUE_OF_B, "keyword")


def test_a_wide_filter_is_not_asked_of_others(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    """The word leg asks it of each candidate: of other tenants' as well, were it not for the case."""
    call = "select * from ragpg_internal.keyword_candidates(1, array['refund'::tsquery], array[1], 10, 10, null, %s::jsonpath)"
    for condition in (_TRUE_OF_B, "$.year == 2026"):
        found = reader.execute(call, (_ORACLE % condition,)).fetchall()
        assert len(found) == (3 if condition == "$.year == 2026" else 0)


def test_a_tenants_filter_uses_its_index(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    shared.execute(
        "insert into ragpg.documents (collection_id, source, content, metadata, tenant, version)"
        " select 1, 'n' || number, 'filler', jsonb_build_object('n', number), 'a', 1"
        " from generate_series(1, 5000) as number"
    )
    shared.execute("vacuum analyze ragpg.documents, ragpg.document_values")
    scans = b"select pg_stat_get_numscans('ragpg.document_values_number_btree'::regclass)"
    before = shared.execute(scans).fetchone()
    reader.execute("select * from ragpg_internal.matching_documents(1, '$.n == 17')")
    reader.execute("select pg_stat_force_next_flush()")
    after = shared.execute(scans).fetchone()
    assert before is not None and after is not None and after[0] > before[0]


def test_times_with_and_without_a_zone_are_compared(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    held = client.collection("help")
    for source, at in (("old", "2019-05-01T10:00:00+02"), ("new", "2026-05-01"), ("odd", "soon")):
        held.add(text=f"A refund, {source}.", source=source, metadata={"at": at})
    for filter_, expected in (
        ('$.at.datetime() < "2020-01-01".datetime()', {"old"}),
        ('$.at.datetime() >= "2020-01-01T00:00:00+00".datetime()', {"new"}),
        ('$.at.datetime() > "2000-01-01".datetime() || $.at == "soon"', {"old", "new", "odd"}),
    ):
        rows = sql.execute(
            "select source from ragpg.search('refund', mode => 'keyword', filter => %s::jsonpath)",
            (filter_,),
        ).fetchall()
        assert {source for (source,) in rows} == expected, filter_


@pytest.mark.parametrize("mode", ["vector", "hybrid"])
def test_a_tenant_that_is_not_counted_finds_its_own(
    shared: psycopg.Connection, reader: psycopg.Connection, words: WordEmbedder, mode: str
) -> None:
    """As during the first load of a tenant."""
    shared.execute("delete from ragpg.index_statistics where tenant = 'a'")
    register_vector(reader)
    found = reader.execute(
        "select source from ragpg.search('refund', 3, 'shared', mode => %s, query_embedding => %s)",
        (mode, HalfVector(words.embed_query("refund"))),
    ).fetchall()
    assert len(found) == 3
