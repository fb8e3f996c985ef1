"""The tests of indexing/test_worker.py, on a distributed database."""

from ..indexing.test_worker import *  # noqa: F403

# Its own SQL asks the shards for a function of the coordinator.
del test_two_workers_a_writer_and_kills  # noqa: F821
