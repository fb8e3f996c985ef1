"""What becomes of a call for which the pool has no connection: the server is busy, or gone.

Imported when that happens.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from ragpg.database.translation import translate
from ragpg.errors import ConnectionFailed


def wait_for_connection(
    pool: ConnectionPool[Any], url: str, timeout: float, home: Path | None
) -> psycopg.Connection[Any]:
    """Returns a connection, waiting while all are in use or the server is starting.

    A server that does not answer fails at once, with ConnectionFailed; the embedded one, in `home`,
    is started again unless a person stopped it, which raises EmbeddedServerError with its last
    words.
    """
    soon = make_conninfo(url, connect_timeout=5)
    until = time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0:
        # Of the server alone: it takes no connection from those that others may have.
        said = pq.PGconn.ping(soon.encode())
        if said == pq.Ping.NO_RESPONSE and not _is_revived(home):
            _try(soon)  # else it has just come back
        try:
            # The pool tries a second, for each call that waits.
            taken: psycopg.Connection[Any] = pool.getconn(
                min(left, 5 if said == pq.Ping.OK else 0.5)
            )
            return taken
        except PoolTimeout:
            continue
    _try(soon)  # it answers, but takes no more, or another password
    raise ConnectionFailed(
        f"no connection became free within {timeout:g} s: all {pool.max_size} are in use "
        "(max_connections), or the server is still starting"
    )


def _try(url: str) -> None:
    """Raises the reason, as ragpg's error, where no connection can be made."""
    try:
        psycopg.connect(url).close()
    except psycopg.Error as error:
        raise translate(error) from error


def _is_revived(home: Path | None) -> bool:
    if home is None:
        return False
    from ragpg.database import embedded

    return embedded.revive(home)
