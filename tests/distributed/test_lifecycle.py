"""The tests of indexing/test_lifecycle.py, on a distributed database."""

from ..indexing.test_lifecycle import *  # noqa: F403

# Its own SQL asks the shards for a function of the coordinator.
del test_a_second_recipe_beside_the_first  # noqa: F821
