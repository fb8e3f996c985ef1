"""Questions to hits: arguments to one SQL call, its rows to objects. Ranking is SQL's.

Uses the session's database and models; filters given as dictionaries become jsonpath here.
"""

from ragpg.search.filters import Filter, read_filter, to_jsonpath
from ragpg.search.searching import (
    ExplainedHit,
    Hit,
    Judgement,
    Mode,
    explain,
    highlight,
    judge,
    search,
    widen,
)

__all__ = [
    "ExplainedHit",
    "Filter",
    "Hit",
    "Judgement",
    "Mode",
    "explain",
    "highlight",
    "judge",
    "read_filter",
    "search",
    "to_jsonpath",
    "widen",
]
