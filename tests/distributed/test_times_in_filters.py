"""The tests of search/test_times_in_filters.py, on a distributed database."""

from ..search.test_times_in_filters import *  # noqa: F403
