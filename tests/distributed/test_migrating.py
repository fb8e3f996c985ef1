"""A version of the schema that comes after a database was distributed: back one, and on again."""

from __future__ import annotations

from decimal import Decimal

import psycopg

from ragpg.database.migrations import migrate

from ..conftest import WordEmbedder
from .conftest import Cluster
from .tenants import reader, server, shared, spread, url

__all__ = ["reader", "server", "shared", "spread", "url"]

# Each mode, and a filter that few chunks pass.
ASKED = (
    # Many of the texts are alike, so that any of them may be the third.
    "select mode, hit.place, round(hit.score::numeric, 4)"
    " from unnest('{vector,hybrid,keyword}'::text[]) as mode,"
    " unnest(array[null, '$.tier == \"pro\"']::jsonpath[]) as filter cross join lateral"
    " ragpg.search('refund of money', 3, filter => filter, mode => mode,"
    " query_embedding => %s::text::halfvec) as hit order by 1, filter::text, 2"
)


def asked(sql: psycopg.Connection) -> list[tuple[str, int, Decimal]]:
    vector = str(WordEmbedder().embed_query("refund of money").tolist())
    return sql.execute(ASKED.encode(), [vector]).fetchall()


def test_functions_that_set_parameters_of_pgvector_reach_the_workers(
    cluster: Cluster, shared: psycopg.Connection, reader: psycopg.Connection, url: str
) -> None:
    """Where nobody has used pgvector in the session, its parameters are a superuser's."""
    with psycopg.connect(cluster.url) as turn:  # as conftest's: two at once may meet on a worker
        turn.execute("select pg_advisory_xact_lock(hashtext('ragpg.tests'))")
        for worker in cluster.urls("postgres")[1:]:
            with psycopg.connect(worker, autocommit=True) as there:
                # Another database that joins the cluster gives its workers the coordinator's roles.
                there.execute("set citus.enable_ddl_propagation = off")
                there.execute("alter role ragpg_owner login")
        before = asked(reader)
        assert before
        latest, _ = migrate(url, "0010")
        assert asked(reader) == before
        assert migrate(url) == ("0010", latest)
        assert asked(reader) == before
    legs = shared.execute(
        "select proname, prosecdef from pg_proc where proname in"
        " ('vector_candidates', 'known_chunks', 'nearest_chunks') order by 1"
    ).fetchall()
    assert legs == [("known_chunks", True), ("nearest_chunks", False), ("vector_candidates", True)]
