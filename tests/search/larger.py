"""What the tests of search and at_scale share."""

from __future__ import annotations

from typing import Any

import psycopg

PAGES = {
    "refunds": "Refunds take five days. Money goes back to the card.",
    "limits": "The rate limit is one thousand requests. A limit resets each minute.",
    "login": "Login needs a password. Reset the password by mail.",
    "sla": "Uptime is promised. Lost uptime is credited as money.",
    "o'brien": "A note on O'Brien's \\ backslash & other | operators!",
}


def rows(sql: psycopg.Connection, query: str, *args: Any) -> list[tuple[Any, ...]]:
    return sql.execute(query.encode(), args or None).fetchall()
