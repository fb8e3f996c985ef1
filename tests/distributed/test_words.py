"""The tests of search/test_words.py, on a distributed database."""

from ..search.test_words import *  # noqa: F403
