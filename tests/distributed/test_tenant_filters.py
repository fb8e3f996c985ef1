"""The tests of database/test_tenant_filters.py, on a distributed database."""

from ..database.test_tenant_filters import *  # noqa: F403
from .tenants import *  # noqa: F403

# Its own SQL asks the shards for documents; ragpg.search lists these first.
del test_a_wide_filter_is_not_asked_of_others  # noqa: F821
