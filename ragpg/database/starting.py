"""Where the database is: what the settings name, else the embedded server, started."""

from __future__ import annotations

from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.database.schema import has_schema
from ragpg.settings import Settings


def server_url(config: Settings) -> str:
    """Returns the database's URL; starts the embedded server and makes its schema if needed."""
    if config.database_url is not None:
        return config.database_url
    url = embedded.start(config.home)
    if not has_schema(url):  # new, or its first start was interrupted
        migrate(url)
    return url
