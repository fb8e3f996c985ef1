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

import psycopg

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
                if self._has_arrived():
                    rows = self.replica.read(kind, statement, given, binary)
                    self._is_back()
                    return rows
            except RagpgError as error:
                if not _is_of_the_replica(error):
                    raise
                self._is_gone(error)
        token = _READS.set(True)
        try:
            return super().read(kind, statement, given, binary)
        finally:
            _READS.reset(token)

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

    def _has_arrived(self) -> bool:
        """Returns whether the replica has what a read has to see, after waiting for it."""
        with self._state:  # whose write it is reads no sooner than its position is known
            if self._wrote:
                self._wrote = False  # before the question: a later write sets it again
                try:
                    self._raise_needed(self.position())
                except BaseException:
                    self._wrote = True
                    raise
            needed = self._needed
        if needed == "0/0":
            return True
        until = time.monotonic() + _LONGEST_LAG
        while not self.replica.value(queries.HAS_REPLAYED, position=needed):
            if time.monotonic() > until:
                self._is_gone(f"it lags behind by more than {_LONGEST_LAG:g} s")
                return False
            time.sleep(0.005)
        with self._state:
            if self._needed == needed:
                self._needed = "0/0"
        return True

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


def _is_of_the_replica(error: RagpgError) -> bool:
    """Returns whether the primary may do better: unreachable, or in conflict with recovery."""
    return isinstance(error, ConnectionFailed) or isinstance(
        error.__cause__, psycopg.errors.SerializationFailure
    )
