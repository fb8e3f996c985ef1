"""What becomes of a call for which the pool has no connection: the server is busy, or gone.

Imported when that happens.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg_pool import PoolTimeout

from ragpg.database.connection import connect
from ragpg.errors import ConnectionFailed

if TYPE_CHECKING:
    from ragpg.database.connection import Connection, Pool


def wait_for_connection(pool: Pool, url: str, timeout: float, home: Path | None) -> Connection:
    """Returns a connection, waiting while all are in use or the server is starting.

    A server that does not answer fails at once, with ConnectionFailed; the embedded one, in `home`,
    is started again unless a person stopped it, which raises EmbeddedServerError with its last
    words.
    """
    until = time.monotonic() + timeout
    while (left := until - time.monotonic()) > 0:
        # Of the server alone: it takes no connection from those that others may have.
        said = pq.PGconn.ping(make_conninfo(url, connect_timeout=5).encode())
        if said == pq.Ping.NO_RESPONSE and not _is_revived(home):
            connect(url).close()  # raises with the reason; else it has just come back
        try:
            # The pool tries a second, for each call that waits.
            return pool.getconn(min(left, 5 if said == pq.Ping.OK else 0.5))
        except PoolTimeout:
            continue
    raise ConnectionFailed(
        f"no connection became free within {timeout:g} s: all {pool.max_size} are in use "
        "(max_connections), or the server is still starting"
    )


def _is_revived(home: Path | None) -> bool:
    if home is None:
        return False
    from ragpg.database import embedded

    return embedded.revive(home)
