"""Searches of read replicas: the primary answers what they cannot, and what they have not got yet.

Loaded where RAGPG_READ_URL, or `connect(read_url=...)`, names some.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, LiteralString
from weakref import WeakKeyDictionary

import psycopg
from psycopg.rows import class_row

from ragpg.database import replica_queries as queries
from ragpg.database.connection import Connection, Database, T
from ragpg.errors import ConnectionFailed, RagpgError
from ragpg.forking import Lock
from ragpg.settings import libpq_url

_log = logging.getLogger("ragpg")
_LONGEST_LAG = 2.0  # seconds for which a search waits for its own writes to arrive
_LONGEST_PAUSE = 30.0  # seconds after which a replica that is gone is tried again

_READS: ContextVar[bool] = ContextVar("_READS", default=False)


class Replicated(Database):
    """A database whose searches go to `read_url`, and everything else to the primary.

    A search sees what this client wrote before it, and what was written until a position that
    `wait_for` names. A replica that cannot be reached, or is cancelled by its recovery, or lags
    behind by more than two seconds, is answered for by the primary, with one line in the log.
    """

    def __init__(self, url: str, read_url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.replica = Database(libpq_url(read_url), **{**options, "timeout": 1.0, "home": None})
        self._state = Lock()
        self._retry_at, self._pause = 0.0, 0.0
        self._wrote = True  # what others wrote just before is there, too
        self._needed = "0/0"
        self._replayed: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with super().connection() as connection:
            yield connection
        if not _READS.get():
            self._wrote = True

    def read(
        self, kind: type[T], statement: LiteralString, given: dict[str, Any], binary: bool = False
    ) -> list[T]:
        if self._retry_at <= time.monotonic():
            try:
                rows = self._read_there(kind, statement, given, binary)
                if rows is not None:
                    self._is_back()
                    return rows
                self._is_gone(f"it lags behind by more than {_LONGEST_LAG:g} s")
            except RagpgError as error:
                if not _is_of_the_replica(error):
                    raise
                self._is_gone(error)
        token = _READS.set(True)
        try:
            return super().read(kind, statement, given, binary)
        finally:
            _READS.reset(token)

    def _read_there(
        self, kind: type[T], statement: LiteralString, given: dict[str, Any], binary: bool
    ) -> list[T] | None:
        """Returns the rows, None where the replica has not got what the read has to see."""
        needed = self._position_needed()
        with self.replica.reading() as connection:
            # By the connection: another one may lead to another replica.
            if self._replayed.get(connection, "0/0") != needed:
                if not _has_replayed(connection, needed):
                    return None
                self._replayed[connection] = needed
            cursor = connection.cursor(binary=binary, row_factory=class_row(kind))
            return cursor.execute(statement, given).fetchall()

    def wait_for(self, position: str) -> None:
        """Has later reads see what was written until a position of the log (`position`)."""
        with self._state:
            self._raise_needed(position)

    def position(self) -> str:
        """Returns the position of the primary's log: what was written lies before it."""
        return str(self._value(queries.LOG_POSITION))

    def close(self) -> None:
        self.replica.close()
        super().close()

    def _value(self, statement: LiteralString, **parameters: Any) -> Any:
        token = _READS.set(True)
        try:
            return self.value(statement, **parameters)
        finally:
            _READS.reset(token)

    def _raise_needed(self, position: str) -> None:
        self._needed = self._value(queries.LATER_POSITION, first=self._needed, second=position)

    def _position_needed(self) -> str:
        """Returns the position that a read has to see: of what this client wrote, and others."""
        with self._state:  # whose write it is reads no sooner than its position is known
            if self._wrote:
                self._wrote = False  # before the question: a later write sets it again
                try:
                    self._raise_needed(self.position())
                except BaseException:
                    self._wrote = True
                    raise
            return self._needed

    def _is_gone(self, why: object) -> None:
        with self._state:
            if not self._pause:
                _log.warning("searches go to the primary, not to the read replica: %s", why)
            self._pause = min(max(2 * self._pause, 1.0), _LONGEST_PAUSE)
            self._retry_at = time.monotonic() + self._pause

    def _is_back(self) -> None:
        if self._pause:
            with self._state:
                self._pause = 0.0
            _log.warning("searches go to the read replica again")


def _has_replayed(connection: Connection, position: str) -> bool:
    """Returns whether the replica has replayed the log until there, after waiting for it."""
    until = time.monotonic() + _LONGEST_LAG
    while True:
        row = connection.execute(queries.HAS_REPLAYED, {"position": position}).fetchone()
        if (row and row[0]) or time.monotonic() > until:
            return bool(row and row[0])
        time.sleep(0.005)


def _is_of_the_replica(error: RagpgError) -> bool:
    """Returns whether the primary may do better: unreachable, or in conflict with recovery."""
    return isinstance(error, ConnectionFailed) or isinstance(
        error.__cause__, psycopg.errors.SerializationFailure
    )
