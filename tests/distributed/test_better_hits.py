"""The tests of search/test_better_hits.py, on a distributed database."""

from ..search.test_better_hits import *  # noqa: F403
