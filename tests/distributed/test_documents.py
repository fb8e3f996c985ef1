"""The tests of indexing/test_documents.py, on a distributed database."""

from ..indexing.test_documents import *  # noqa: F403

# Their own SQL asks the shards for functions and tables of the coordinator.
del test_a_version_that_comes_while_the_last_is_stored_waits  # noqa: F821
del test_metadata_are_changed_key_by_key  # noqa: F821
