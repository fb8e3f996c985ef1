"""The tests of search/test_subvectors.py, on a distributed database."""

from ..search.test_subvectors import *  # noqa: F403
