"""What only `importing.py` sends, to the database that holds the tables of others."""

from __future__ import annotations

from typing import LiteralString

# A collection of langchain-postgres' PGVector: all of them are in one table.
PGVECTOR_ROWS: LiteralString = """
select held.id as source, held.document as text, held.cmetadata as metadata,
    held.embedding::text as embedding
from langchain_pg_embedding as held
join langchain_pg_collection as named on named.uuid = held.collection_id
where named.name = %(name)s
"""

HAS_PGVECTOR: LiteralString = """
select
    to_regclass('langchain_pg_collection') is not null
    and to_regclass('langchain_pg_embedding') is not null
"""

HAS_TABLE: LiteralString = "select to_regclass(quote_ident(%(name)s)) is not null"

# A table of PGVectorStore; its name cannot be a parameter, and is quoted by psycopg.
TABLE_ROWS: LiteralString = "select to_jsonb(held) as held from {table} as held"
"""To be formatted with an Identifier."""
