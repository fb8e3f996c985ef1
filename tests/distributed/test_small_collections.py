"""The tests of search/test_small_collections.py, on a distributed database."""

from ..search.test_small_collections import *  # noqa: F403
