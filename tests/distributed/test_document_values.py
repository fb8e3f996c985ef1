"""The tests of search/test_document_values.py, on a distributed database."""

from ..search.test_document_values import *  # noqa: F403
