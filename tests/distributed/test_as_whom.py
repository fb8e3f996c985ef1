"""The tests of database/test_as_whom.py, on a distributed database."""

from ..database.test_as_whom import *  # noqa: F403
from .tenants import *  # noqa: F403

del test_the_test_notices_who_asks_the_session  # noqa: F821  # of the chunks nothing is seen
del test_a_schema_that_somebody_else_made_is_not_taken  # noqa: F821  # an empty database, not Citus
