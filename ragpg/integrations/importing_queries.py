"""What only importing sends, to the database that holds the tables of others.

Names of others' tables and columns cannot be parameters: psycopg quotes them as Identifiers.
"""

from __future__ import annotations

from typing import LiteralString

# Reading takes as long as storing does; the limits are the transaction's own.
NO_LIMITS: LiteralString = """
select
    set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true)
"""

FOUND_TABLE: LiteralString = """
select
    held.oid::bigint as oid,
    space.nspname as schema,
    held.relname as name,
    pg_table_is_visible(held.oid) as visible
from pg_class as held
join pg_namespace as space on space.oid = held.relnamespace
where held.relname = %(name)s
    and held.relkind in ('r', 'p', 'v', 'm', 'f')
order by visible desc, space.nspname
"""

# typmod of pgvector's types is the number of dimensions, -1 where any are taken.
TABLE_COLUMNS: LiteralString = """
select
    held.attname as name,
    type.typname as type,
    held.atttypmod as typmod,
    exists (
        select 1
        from pg_index as known
        where known.indrelid = held.attrelid
            and known.indisprimary
            and known.indnkeyatts = 1
            and known.indkey[0] = held.attnum
    ) as is_key
from pg_attribute as held
join pg_type as type on type.oid = held.atttypid
where held.attrelid = %(oid)s
    and held.attnum > 0
    and not held.attisdropped
order by held.attnum
"""

# A collection of PGVector, langchain-postgres' or langchain-community's: all are in one table.
PGVECTOR_ROWS: LiteralString = """
select to_jsonb(held) as held
from langchain_pg_embedding as held
join langchain_pg_collection as named on named.uuid = held.collection_id
where named.name = %(name)s
"""

HAS_PGVECTOR: LiteralString = """
select
    to_regclass('langchain_pg_collection') is not null
    and to_regclass('langchain_pg_embedding') is not null
"""

COUNT_PGVECTOR: LiteralString = """
select count(*)
from langchain_pg_embedding as held
join langchain_pg_collection as named on named.uuid = held.collection_id
where named.name = %(name)s
"""

# Before langchain-postgres an id was the user's, and any number of rows could have it.
COUNT_REPEATED_PGVECTOR: LiteralString = """
select count(held.custom_id) - count(distinct held.custom_id)
from langchain_pg_embedding as held
join langchain_pg_collection as named on named.uuid = held.collection_id
where named.name = %(name)s
"""

# To be formatted with Identifiers -------------------------------------------------------------

TABLE_ROWS: LiteralString = "select to_jsonb(held) as held from {table} as held"

COUNT_ROWS: LiteralString = "select count(*) from {table}"

COUNT_EARLIER_NODES: LiteralString = """
select count(*)
from {table} as held
where exists (
    select 1 from {table} as later where later.node_id = held.node_id and later.id > held.id
)
"""

# A node that was added twice is twice in LlamaIndex's table; the later row counts.
NODE_ROWS: LiteralString = """
select to_jsonb(held) as held
from {table} as held
where held.node_id is null
    or not exists (
        select 1 from {table} as later where later.node_id = held.node_id and later.id > held.id
    )
"""

REPEATED_VALUE: LiteralString = """
select {column}::text as value, count(*) as rows
from {table}
where {column} is not null
group by {column}
having count(*) > 1
order by rows desc
limit 1
"""

COUNT_DIMENSIONS: LiteralString = """
select vector_dims({column}) as dimensions, count(*) as rows
from {table}
where {column} is not null
group by 1
order by rows desc, dimensions
"""
