"""The statements that `ragpg.search.filters` sends, by name."""

from __future__ import annotations

from typing import LiteralString

READ_FILTER: LiteralString = "select %(filter)s::jsonpath"
