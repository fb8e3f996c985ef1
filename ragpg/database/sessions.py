"""Sessions: for claims, notifications and locks, which belong to one."""

from __future__ import annotations

from typing import LiteralString

import psycopg

from ragpg.database.connection import Connection, Database, connect, is_direct, narrow
from ragpg.database.translation import translate
from ragpg.errors import NeedsSession

_SET_TENANT: LiteralString = "select ragpg.set_tenant(%(tenant)s, for_session => true)"


def connect_alone(database: Database) -> Connection:
    """Returns a connection outside the pool, in autocommit, that acts for the same tenant.

    The caller closes it. Raises NeedsSession behind a pooler, where the next statement may be
    another session's.
    """
    connection = connect(database.url)
    try:
        if not is_direct(connection):
            raise NeedsSession
        connection.commit()
        connection.autocommit = True
        narrow(connection, local=False)
        if database.tenant is not None:
            connection.execute(_SET_TENANT, {"tenant": database.tenant})
    except psycopg.Error as error:
        connection.close()
        raise translate(error) from error
    except NeedsSession:
        connection.close()
        raise
    return connection
