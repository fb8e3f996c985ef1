"""Questions to hits: arguments to one SQL call, its rows to objects. Ranking is SQL's.

Uses the session's database and models; filters given as dictionaries become jsonpath here.
"""

from ragpg.search.hits import Hit, Mode
from ragpg.search.searching import search

__all__ = ["Hit", "Mode", "search"]
