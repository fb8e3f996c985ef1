"""Connections to one database, and the ways to ask it for rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from pgvector.psycopg import register_vector
from psycopg.rows import TupleRow, class_row, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from ragpg.database import queries
from ragpg.database.translation import translate
from ragpg.errors import ConnectionFailed, NoTenant

Connection = psycopg.Connection[TupleRow]
T = TypeVar("T")


class Database:
    """A pool of connections to one database; thread-safe.

    With `read_only` each transaction is read only, so that nothing can be written; with
    `tenant` it begins by acting for that tenant; raises NoTenant when the role would see all.
    """

    def __init__(
        self,
        url: str,
        *,
        max_size: int = 10,
        timeout: float = 15,
        read_only: bool = False,
        tenant: str | None = None,
    ) -> None:
        if tenant is not None:
            _check_kept_apart(url, tenant)
        self.url = url
        self.tenant = tenant
        self._pool = ConnectionPool[Connection](
            url,
            min_size=1,
            max_size=max_size,
            timeout=timeout,
            configure=_configure_read_only if read_only else _configure,
            kwargs={"application_name": "ragpg"},
            open=True,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yields a connection in a transaction; database errors become ragpg's."""
        try:
            with self._pool.connection() as connection:
                if self.tenant is not None:
                    # Each transaction anew: under a pooler such as pgbouncer a session's setting
                    # would be the next client's.
                    connection.execute(queries.SET_TENANT, {"tenant": self.tenant})
                yield connection
        except PoolTimeout as error:
            raise ConnectionFailed(f"no connection became free: {error}") from error
        except psycopg.Error as error:
            raise translate(error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yields a connection for one statement that reads, without `begin` and `commit` around it.

        They are two more round trips: a hand-written search took 1.26 times as long with them. A
        tenant is set for one transaction, so with one there is a transaction.
        """
        with self.connection() as connection:
            if self.tenant is not None:
                yield connection
                return
            connection.autocommit = True
            try:
                yield connection
            finally:
                if not connection.closed:
                    connection.autocommit = False

    def connect_alone(self) -> Connection:
        """Returns a connection outside the pool, in autocommit, that acts for the same tenant.

        For what belongs to a session: claims, notifications, locks. The caller closes it.
        """
        connection = connect(self.url, autocommit=True)
        try:
            if self.tenant is not None:
                connection.execute(queries.SET_SESSION_TENANT, {"tenant": self.tenant})
        except psycopg.Error as error:
            connection.close()
            raise translate(error) from error
        return connection

    def rows(self, statement: LiteralString, **parameters: Any) -> list[dict[str, Any]]:
        """Returns the rows as dictionaries."""
        with self.connection() as connection:
            return connection.cursor(row_factory=dict_row).execute(statement, parameters).fetchall()

    def records(self, kind: type[T], statement: LiteralString, **parameters: Any) -> list[T]:
        """Returns the rows as objects of a class: a column it does not know fails by name."""
        with self.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(kind))
            return cursor.execute(statement, parameters).fetchall()

    def record(self, kind: type[T], statement: LiteralString, **parameters: Any) -> T | None:
        """Returns the first row as an object of a class, None without a row."""
        return next(iter(self.records(kind, statement, **parameters)), None)

    def column(self, statement: LiteralString, **parameters: Any) -> list[Any]:
        """Returns the first value of each row."""
        with self.connection() as connection:
            return [row[0] for row in connection.execute(statement, parameters)]

    def value(self, statement: LiteralString, **parameters: Any) -> Any:
        """Returns the first value of the first row, None without a row."""
        return next(iter(self.column(statement, **parameters)), None)

    def execute(self, statement: LiteralString, **parameters: Any) -> None:
        """Runs the statement in a transaction of its own."""
        with self.connection() as connection:
            connection.execute(statement, parameters)

    def close(self) -> None:
        """Closes the connections."""
        self._pool.close()


def _check_kept_apart(url: str, tenant: str) -> None:
    with connect(url) as connection:
        row = connection.execute(queries.IS_KEPT_APART).fetchone()
    assert row is not None
    if not row[0]:
        raise NoTenant(
            f'role "{row[1]}" would see the rows of all tenants, not only those of "{tenant}": '
            "connect as a role of ragpg.grant_reader or grant_writer, after the owner called "
            "ragpg.enable_tenants()"
        )


def _configure(connection: Connection) -> None:
    register_vector(connection)
    connection.commit()


def _configure_read_only(connection: Connection) -> None:
    _configure(connection)
    connection.execute("set default_transaction_read_only = on")
    connection.commit()


def connect(url: str, **options: Any) -> Connection:
    """Returns one connection outside a pool; raises ConnectionFailed with the server's words."""
    try:
        return psycopg.connect(url, application_name="ragpg", connect_timeout=10, **options)
    except psycopg.Error as error:
        raise translate(error) from error
