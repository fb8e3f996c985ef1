"""The tests of indexing/test_metadata.py, on a distributed database."""

from ..indexing.test_metadata import *  # noqa: F403
