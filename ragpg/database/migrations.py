"""The steps that bring a database to a version of the schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, LiteralString

import psycopg

from ragpg.database import queries
from ragpg.database.connection import Connection, connect, narrow
from ragpg.database.schema import migrations_folder, refuse_unknown, schema_version
from ragpg.database.translation import translate
from ragpg.errors import SchemaError

if TYPE_CHECKING:
    from alembic.config import Config

_OLDEST_PGVECTOR = (0, 8, 0)

_VECTOR_SCHEMA: LiteralString = """
select quote_ident(installed.nspname), has_schema_privilege(installed.oid, 'usage'), current_user
from pg_extension as extension
join pg_namespace as installed on installed.oid = extension.extnamespace
where extension.extname = 'vector'
"""

# What others made there and a step would run, with the rights of whoever migrates, because it fits
# its statements better than Postgres's own does.
_FITTING_BETTER: LiteralString = """
select known.what, owner.rolname
from (
    select
        'function ' || made.oid::regprocedure as what, made.proowner as owner_id,
        made.proname || '(' as written
    from pg_proc as made
    where made.pronamespace = to_regnamespace(%(schema)s)
        and exists (
            select
            from pg_proc as own
            where own.pronamespace = 'pg_catalog'::regnamespace and own.proname = made.proname
        )
    union all
    select 'operator ' || made.oid::regoperator, made.oprowner, made.oprname
    from pg_operator as made
    where made.oprnamespace = to_regnamespace(%(schema)s)
        and exists (
            select
            from pg_operator as own
            where own.oprnamespace = 'pg_catalog'::regnamespace and own.oprname = made.oprname
        )
) as known
join pg_roles as owner on owner.oid = known.owner_id
where not owner.rolsuper and owner.rolname <> current_user
    and strpos(%(step)s, known.written) > 0
"""

# Where pgvector's library is not loaded, its parameters are a superuser's, and a function that sets
# one is refused: on the workers of Citus, too, over the connections by which it is made there.
_LOAD_ON_WORKERS: LiteralString = """
do $$
begin
    if to_regprocedure('ragpg_internal.is_distributed()') is not null then
        if ragpg_internal.is_distributed() then
            perform set_config('citus.max_adaptive_executor_pool_size', '1', true);
            perform chunk.embedding <=> chunk.embedding
            from ragpg.chunks as chunk
            where chunk.id = -1;
        end if;
    end if;
end
$$
"""


def migrate(url: str, target: str = "head") -> tuple[str | None, str | None]:
    """Brings the schema to a version (head, base or a number); returns the one before and after.

    One transaction: all of it or nothing. Several callers at once take turns.
    """
    from alembic import command

    with _engine_connection(url) as sqlalchemy_connection, sqlalchemy_connection.begin():
        raw: Connection = sqlalchemy_connection.connection.driver_connection
        narrow(raw, local=True)
        raw.execute("select pg_advisory_xact_lock(hashtext('ragpg.migrate'))")
        before = schema_version(raw)
        refuse_unknown(before)
        _prepare(raw, is_new=before is None)
        config = _alembic_config(sqlalchemy_connection)
        if target == "base" or (before is not None and target != "head" and target < before):
            command.downgrade(config, target)
        else:
            command.upgrade(config, target)
        after = schema_version(raw)
        if after is None:
            raw.execute("drop table if exists ragpg.alembic_version; drop schema ragpg")
        if after is not None and after > "0001":
            raw.execute("select ragpg.secure()")
    return before, after


def run_step(script: str, direction: Literal["up", "down"]) -> None:
    """Runs the .sql file beside a step's script, on the raw connection: % needs no escape.

    Steps name pgvector's types alone, so its schema is on their path. Raises SchemaError where
    somebody may make, and made, what a step would run in place of Postgres's own.
    """
    from alembic import op

    text = Path(script).with_suffix(f".{direction}.sql").read_text(encoding="utf-8")
    connection: Any = op.get_bind().connection.driver_connection
    schema, usable, user = connection.execute(_VECTOR_SCHEMA).fetchone()
    if not usable:
        raise SchemaError(
            f"the role {user}, which owns ragpg, may not look where pgvector is: "
            f"grant usage on schema {schema} to {user}"
        )
    for what, role in connection.execute(_FITTING_BETTER, {"schema": schema, "step": text}):
        raise SchemaError(
            f'the {what}, made by the role "{role}" where pgvector is, would be run with your '
            "rights in place of Postgres's own: drop it, or have pgvector alone in a schema "
            "(alter extension vector set schema ...), and run this again"
        )
    connection.execute("select set_config('search_path', %s || ', pg_temp', true)", [schema])
    # Bodies name what the function's own path finds, of steps before pgvector could be anywhere.
    connection.execute("set local check_function_bodies = off")
    connection.execute(_LOAD_ON_WORKERS)
    connection.execute(text.encode())
    connection.execute(queries.SET_PATH, {"local": True})


def _alembic_config(connection: Any) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _engine_connection(url: str) -> Iterator[Any]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connect(url), poolclass=sqlalchemy.NullPool
    )
    try:
        with engine.connect() as connection:
            yield connection
    except psycopg.Error as error:
        raise translate(error) from error
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise translate(error.orig) from error
        raise


def _prepare(connection: Connection, *, is_new: bool) -> None:
    """Makes sure of what the steps stand on: pgvector, and the schema of the version table.

    Raises SchemaError for a schema of that name that is somebody else's: what is in it would run.
    """
    if is_new:  # nothing of ragpg's is there yet to run
        connection.execute("set local role none")
    row = connection.execute(
        """
        select
            coalesce(installed.extversion, available.default_version),
            installed.extversion is not null,
            owner.rolname,
            owner.rolname is distinct from current_user
        from (select) as one
        left join pg_namespace as space on space.nspname = 'ragpg'
        left join pg_roles as owner on owner.oid = space.nspowner
        left join pg_extension as installed on installed.extname = 'vector'
        left join pg_available_extensions as available on available.name = 'vector'
        """
    ).fetchone()
    assert row is not None
    version, installed, schema_owner, is_others = row
    if version is None:
        raise SchemaError(
            "this Postgres has no pgvector: install it "
            "(https://github.com/pgvector/pgvector#installation) and run ragpg init again"
        )
    if tuple(int(part) for part in version.split(".")) < _OLDEST_PGVECTOR:
        raise SchemaError(
            f"pgvector {version} is too old, 0.8.0 is needed: alter extension vector update"
        )
    if is_new and schema_owner is not None and is_others:
        raise SchemaError(
            f'there is a schema "ragpg" without ragpg in it, which the role "{schema_owner}" owns: '
            "rename or drop it, or run this as that role"
        )
    if not installed:
        _create_extension(connection)
    if schema_owner is None:
        connection.execute("create schema ragpg")


def _create_extension(connection: Connection) -> None:
    try:
        connection.execute("set local role none")
        connection.execute("set local search_path to default")  # where it is looked for
        connection.execute("create extension vector")
        narrow(connection, local=True)
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(
            "the extension vector is not in this database and your role may not create it: "
            "ask an administrator to run: create extension vector;"
        ) from error
