"""The database: connections, migrations, the embedded server, SQLAlchemy models of the tables.

The only package that opens connections; it knows no rule of retrieval.
"""

from ragpg.database.connection import Connection, Database, connect
from ragpg.database.schema import check_schema, known_versions, schema_version

__all__ = ["Connection", "Database", "check_schema", "connect", "known_versions", "schema_version"]
