"""SQL that `replicas` sends."""

from __future__ import annotations

from typing import LiteralString

LOG_POSITION: LiteralString = """
select case when pg_is_in_recovery() then '0/0' else pg_current_wal_insert_lsn() end
"""

LATER_POSITION: LiteralString = """
select greatest(%(first)s::pg_lsn, %(second)s::pg_lsn)
"""

HAS_REPLAYED: LiteralString = """
select not pg_is_in_recovery() or pg_last_wal_replay_lsn() >= %(position)s::pg_lsn
"""
