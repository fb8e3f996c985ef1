"""A step of the schema that comes after a database was distributed."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from psycopg.conninfo import conninfo_to_dict

from ragpg.database.connection import narrow
from ragpg.database.migrations import _engine_connection, run_step

from .conftest import Cluster

STEP = """
select '[1]'::halfvec <=> '[1]'::halfvec;
create function ragpg_internal.later() returns integer
language sql set hnsw.ef_search = 100 as 'select 1';
"""


def test_a_function_that_sets_a_parameter_of_pgvector_reaches_the_workers(
    cluster: Cluster, url: str, tmp_path: Path
) -> None:
    script = tmp_path / "9999_later.py"
    script.with_suffix(".up.sql").write_text(STEP)
    _, *workers = cluster.urls(str(conninfo_to_dict(url)["dbname"]))
    with psycopg.connect(cluster.url) as turn:  # as conftest's: two at once may meet on a worker
        turn.execute("select pg_advisory_xact_lock(hashtext('ragpg.tests'))")
        for worker in workers:
            with psycopg.connect(worker, autocommit=True) as there:
                # Another database that joins the cluster gives its workers the coordinator's roles.
                there.execute("set citus.enable_ddl_propagation = off")
                there.execute("alter role ragpg_owner login")
        with _engine_connection(url) as connection, connection.begin():
            narrow(connection.connection.driver_connection, local=True)
            with Operations.context(MigrationContext.configure(connection)):
                run_step(str(script), "up")
    for worker in workers:
        with psycopg.connect(worker) as there:
            [[settings]] = there.execute("select proconfig from pg_proc where proname = 'later'")
            assert settings == ["hnsw.ef_search=100"]
