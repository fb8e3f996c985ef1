"""The tests of search/test_quantized.py, on a distributed database."""

from ..search.test_quantized import *  # noqa: F403
