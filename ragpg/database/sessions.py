"""Sessions of one's own, for claims, notifications and locks; and whom a session acts for."""

from __future__ import annotations

from typing import LiteralString

import psycopg

from ragpg.database.connection import Connection, Database, connect, is_direct, narrow
from ragpg.database.translation import translate
from ragpg.errors import NeedsSession, NoTenant

_IS_KEPT_APART: LiteralString = "select row_security_active('ragpg.documents'), current_user"

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


def check_kept_apart(url: str, tenant: str) -> None:
    """Raises NoTenant unless the role is one whose tenant is kept apart."""
    with connect(url) as connection:
        row = connection.execute(_IS_KEPT_APART).fetchone()
    assert row is not None
    if not row[0]:
        raise NoTenant(
            f'role "{row[1]}" would see the rows of all tenants, not only those of "{tenant}": '
            "connect as a role of ragpg.grant_reader or grant_writer, after the owner called "
            "ragpg.enable_tenants()"
        )
