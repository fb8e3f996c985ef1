"""Questions to hits: arguments to one SQL call, its rows to objects. Ranking is SQL's.

Uses the session's database and models; filters given as dictionaries become jsonpath here.
"""

from ragpg.search.searching import Hit, Mode, search

__all__ = ["Hit", "Mode", "search"]
