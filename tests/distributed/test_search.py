"""The tests of search/test_search.py, on a distributed database."""

from ..search.test_search import *  # noqa: F403
