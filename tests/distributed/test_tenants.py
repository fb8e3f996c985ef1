"""The tests of database/test_tenants.py, on a distributed database."""

from ..database.test_tenants import *  # noqa: F403
from .tenants import *  # noqa: F403

# They read or write the chunks themselves, which nobody may there: test_closed_chunks.py.
del test_without_a_tenant_there_is_nothing  # noqa: F821
del test_a_writer_writes_only_its_own  # noqa: F821
del test_plans_do_not_count_what_others_say  # noqa: F821
del test_words_and_metadata_keep_their_indexes  # noqa: F821
del test_the_owners_worker_takes_no_embedding_of_another_tenant  # noqa: F821
# Their database, or its address, is the embedded server's.
del test_a_client_acts_for_its_tenant  # noqa: F821
del test_an_owner_who_is_no_superuser_switches_it_on  # noqa: F821
