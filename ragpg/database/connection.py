"""Connections to one database, and the ways to ask it for rows."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import psycopg
from pgvector.psycopg.halfvec import register_halfvec_info
from pgvector.psycopg.vector import register_vector_info
from psycopg.rows import TupleRow, class_row, dict_row
from psycopg.types import TypeInfo
from psycopg_pool import ConnectionPool, PoolTimeout

from ragpg.database import queries
from ragpg.forking import Lock, renewed_after_fork

Connection = psycopg.Connection[TupleRow]
Pool = ConnectionPool[Connection]
T = TypeVar("T")
# Around the use of a connection: who may cancel the call from another thread learns of it (aio).
IN_USE: ContextVar[Callable[[Connection], Any]] = ContextVar("IN_USE", default=nullcontext)


class Database:
    """A pool of connections to one database; thread-safe, and a fork has a pool of its own.

    With `read_only` each transaction is read only, so that nothing can be written; with
    `tenant` it begins by acting for that tenant.
    """

    def __init__(
        self,
        url: str,
        *,
        max_size: int = 10,
        timeout: float = 15,
        read_only: bool = False,
        tenant: str | None = None,
        home: Path | None = None,
    ) -> None:
        self.url = url
        self._home = home  # of the embedded server
        self.tenant = tenant
        self.read_only = read_only
        self.max_size = max_size
        self._timeout = timeout
        self._lock = Lock()
        self._pool: Pool | None = None
        self._open_pool()
        renewed_after_fork(self)

    def _open_pool(self) -> Pool:
        with self._lock:
            if self._pool is None:
                self._pool = Pool(
                    self.url,
                    min_size=1,
                    max_size=self.max_size,
                    reconnect_timeout=1,  # each call for a connection tries anew
                    configure=self._configure,
                    kwargs={"application_name": "ragpg"},
                    open=True,
                )
            return self._pool

    def _configure(self, connection: Connection) -> None:
        """Registers vectors; behind a pooler no statement is prepared by name.

        There each transaction may be another server connection's, where that name is another
        client's statement, and the search path not this one's.
        """
        self._is_direct = is_direct(connection)
        narrow(connection, local=not self._is_direct)
        halfvec, vector = connection.execute(queries.VECTOR_TYPES)
        register_halfvec_info(connection, TypeInfo(*halfvec))
        register_vector_info(connection, TypeInfo(*vector))
        if not self._is_direct:
            connection.prepare_threshold = None
        connection.commit()
        # Of each transaction: a session's setting outlives it in a pooler.
        connection.read_only = self.read_only or None

    def after_fork(self) -> None:
        """Leaves the connections to the parent, whose they are.

        Both would read from the same sockets, each the other's rows.
        """
        _LEFT_TO_THE_PARENT.append(self._pool)  # closing them would end the parent's, too
        self._pool = None

    def _taken(self, pool: Pool) -> Connection:
        try:
            return pool.getconn(timeout=1)
        except PoolTimeout:
            from ragpg.database.outages import wait_for_connection

            return wait_for_connection(pool, self.url, self._timeout, self._home)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yields a connection in a transaction; database errors become ragpg's."""
        pool = self._pool or self._open_pool()
        while is_ended(connection := self._taken(pool)):
            connection.close()
            pool.putconn(connection)  # which makes another
        try:
            with IN_USE.get()(connection), connection:
                # Each transaction anew: a session's setting would be a pooler's next client's.
                if not self._is_direct:
                    narrow(connection, local=True)
                if self.tenant is not None:
                    connection.execute(queries.SET_TENANT, {"tenant": self.tenant})
                yield connection
        except psycopg.Error as error:
            raise _translated(error) from error
        finally:
            pool.putconn(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yields a connection for one statement that reads, without `begin` and `commit` around it.

        They are two more round trips: a hand-written search took 1.26 times as long with them. With
        a tenant, where writing is refused and behind a pooler there is a transaction.
        """
        with self.connection() as connection:
            if self.tenant is not None or self.read_only or not self._is_direct:
                yield connection
                return
            connection.autocommit = True
            try:
                yield connection
            finally:
                if not connection.closed:
                    connection.autocommit = False

    def read(
        self, kind: type[T], statement: LiteralString, given: dict[str, Any], binary: bool = False
    ) -> list[T]:
        """Returns the rows of one statement that reads, as objects of a class."""
        with self.reading() as connection:
            cursor = connection.cursor(binary=binary, row_factory=class_row(kind))
            return cursor.execute(statement, given).fetchall()

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
        return next(iter(self.read(kind, statement, parameters)), None)

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
        if self._pool:
            self._pool.close()


_LEFT_TO_THE_PARENT: list[Any] = []


def is_ended(connection: Connection) -> bool:
    """Returns whether the server has ended an idle connection: then there is something to read.

    Asking the socket takes a microsecond, asking the server a round trip for each search.
    """
    if connection.closed:
        return True
    arrived = select.poll()
    arrived.register(connection.fileno(), select.POLLIN)
    try:
        while arrived.poll(0):  # a changed setting, a farewell, and then the end
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False


def narrow(connection: Connection, *, local: bool) -> None:
    """Has the session, or with `local` the transaction, run nothing but ragpg's own, as ragpg."""
    connection.execute(queries.SET_PATH, {"local": local})
    if connection.info.parameter_status("is_superuser") == "on":
        connection.execute(queries.SET_ROLE, {"local": local})


def is_direct(connection: Connection) -> bool:
    """Returns whether this is a connection to the server itself, not to a pooler before it.

    A pooler speaks for many server processes, so the one it names is not the one that answers.
    """
    row = connection.execute(queries.BACKEND).fetchone()
    return row is not None and row[0] == connection.info.backend_pid


def connect(url: str) -> Connection:
    """Returns one outside a pool, with ragpg's path in its first transaction, or the reason."""
    try:
        connection = psycopg.connect(
            url, application_name="ragpg", connect_timeout=10, prepare_threshold=None
        )
        narrow(connection, local=True)
        return connection
    except psycopg.Error as error:
        raise _translated(error) from error


def _translated(error: psycopg.Error) -> Exception:
    from ragpg.database.translation import translate  # most callers never need it

    return translate(error)
