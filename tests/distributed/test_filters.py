"""The tests of search/test_filters.py, on a distributed database."""

from ..search.test_filters import *  # noqa: F403
