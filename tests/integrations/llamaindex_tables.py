"""Makes llamaindex_tables.sql: tables as LlamaIndex's own PGVectorStore makes and fills them.

    pip install llama-index-vector-stores-postgres      # in an environment of its own
    python tests/integrations/llamaindex_tables.py POSTGRES_URL > tests/integrations/llamaindex_tables.sql

It is recorded because the library cannot be installed beside what the tests ran with: it asks for
SQLAlchemy below 2.1.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import psycopg
from llama_index.core.schema import MetadataMode, NodeRelationship, RelatedNodeInfo, TextNode

# Of tests.conftest.WordEmbedder's axes: refund, money, rate, limit, login, password, uptime, rest.
AXES = ("refund", "money", "rate", "limit", "login", "password", "uptime")
NODES = [
    ("n1", "refunds", "A refund is money.", {"topic": "rate limit", "tier": "pro", "year": 2026}),
    (
        "n2",
        "refunds",
        "Money, by card.",
        {"tier": "free", "year": 2025, "price": 0.1, "tags": ["a", "b"]},
    ),
    ("n3", "limits", "The rate limit.\n", {"tier": "pro", "deep": {"page": 3}}),
    ("n4", "", "Login and password", {}),
]


def vector(text: str) -> list[float]:
    """Returns what the tests' WordEmbedder gives, in whole numbers' proportions."""
    words = text.lower().replace(".", "").replace(",", "").split()
    counted = [float(sum(word == axis for word in words)) for axis in AXES]
    other = 0.01 + 0.1 * sum(word not in AXES for word in words)
    length = (sum(one * one for one in counted) + other * other) ** 0.5
    return [one / length for one in [*counted, other]]


def nodes() -> list[TextNode]:
    made = []
    for id_, ref, text, metadata in NODES:
        node = TextNode(id_=id_, text=text, metadata=metadata)
        node.excluded_embed_metadata_keys = ["year", "tags", "price", "deep"]
        if ref:
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=ref)
        node.embedding = vector(node.get_content(MetadataMode.EMBED))
        made.append(node)
    return made


def statements(url: str, **options: Any) -> list[str]:
    """Returns what makes the table that a store made, from the server's catalogue and rows."""
    from llama_index.vector_stores.postgres import PGVectorStore

    part = psycopg.conninfo.conninfo_to_dict(url)
    where = f"{part['user']}@/{part['dbname']}?host={part['host']}"
    store = PGVectorStore(
        f"postgresql+psycopg2://{where}", f"postgresql+asyncpg://{where}", embed_dim=8, **options
    )
    store.add(nodes())
    told = []
    with psycopg.connect(url) as connection:
        name = f"{store.schema_name}.data_{store.table_name}"
        columns = connection.execute(
            "select string_agg(format('    %%I %%s%%s', attname, format_type(atttypid, atttypmod),"
            " case when attgenerated = 's' then format(' generated always as (%%s) stored',"
            " pg_get_expr(adbin, adrelid)) when attname = 'id' then ' primary key' else '' end),"
            " E',\\n' order by attnum) from pg_attribute"
            " left join pg_attrdef on adrelid = attrelid and adnum = attnum"
            " where attrelid = %s::regclass and attnum > 0",
            (name,),
        ).fetchone()
        assert columns
        told.append(f"create schema if not exists {store.schema_name};")
        told.append(f"create table {name} (\n{columns[0]}\n);")
        rows = connection.execute(
            f"select format('(%s, %L, %L, %L, %L)', id, text, metadata_, node_id, embedding)"
            f" from {name} order by id".encode()
        ).fetchall()
        listed = ",\n".join(row[0] for row in rows)
        told.append(
            f"insert into {name} (id, text, metadata_, node_id, embedding) values\n{listed};"
        )
    return told


if __name__ == "__main__":
    print(
        f"-- Made by llamaindex_tables.py with llama-index-vector-stores-postgres "
        f"{version('llama-index-vector-stores-postgres')}, llama-index-core "
        f"{version('llama-index-core')}."
    )
    for given in (
        {"table_name": "Nodes"},
        {
            "table_name": "hybrid",
            "schema_name": "rag",
            "hybrid_search": True,
            "use_halfvec": True,
            "use_jsonb": True,
        },
    ):
        print("\n".join(statements(sys.argv[1], **given)))
