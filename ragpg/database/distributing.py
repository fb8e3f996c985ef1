"""Spreading the chunks over the servers of Citus."""

from __future__ import annotations

from typing import LiteralString

import psycopg

from ragpg.database.connection import connect
from ragpg.database.translation import translate

DISTRIBUTE: LiteralString = "select ragpg.distribute(%(shard_count)s)"


def distribute(url: str, shard_count: int | None = None) -> int:
    """Returns over how many shards the chunks are spread from now on.

    Raises BadArgument where there is no Citus, no worker, or nothing left to do.
    """
    with connect(url) as connection:
        connection.rollback()  # the rest is done as oneself, no longer as the owner of ragpg
        try:
            row = connection.execute(DISTRIBUTE, {"shard_count": shard_count}).fetchone()
        except psycopg.Error as error:
            raise translate(error) from error
    assert row is not None
    return int(row[0])
