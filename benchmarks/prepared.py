"""What one would write by hand instead of ragpg: tables, indexes and prepared statements."""

from __future__ import annotations

import psycopg
from pgvector.psycopg import register_vector

from benchmarks.workload import DIMENSIONS, Condition, Found, Question, Rows
from ragpg.models import HalfVector


class PreparedQuery:
    """What one would write by hand: halfvec, HNSW, one prepared statement, binary parameters."""

    name = "prepared SQL"
    distance = "embedding <=> %s"

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        register_vector(self.connection)

    def write(self, rows: Rows) -> None:
        types = {key: "int4" if isinstance(value, int) else "text"
                 for key, value in rows.metadata[0].items()}  # fmt: skip
        columns = "".join(f"{key} {kind}, " for key, kind in types.items())
        self.keys = list(types)
        self.connection.execute(
            f"create table rows (key text, {columns}content text, embedding halfvec({DIMENSIONS}),"
            " words tsvector generated always as (to_tsvector('english', content)) stored)".encode()
        )
        names = ", ".join(["key", *types, "content", "embedding"])
        statement = f"copy rows ({names}) from stdin (format binary)".encode()
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["text", *types.values(), "text", "halfvec"])
            for key, metadata, text, embedding in zip(
                rows.keys, rows.metadata, rows.texts, rows.embeddings, strict=True
            ):
                copy.write_row((key, *metadata.values(), text, HalfVector(embedding)))

    def index(self) -> None:
        self.connection.execute("set maintenance_work_mem = '1GB'")
        self.connection.execute("create index on rows using hnsw (embedding halfvec_cosine_ops)")
        self.connection.execute("create index on rows using gin (words)")
        for key in self.keys:
            self.connection.execute(f"create index on rows ({key})".encode())
        self.connection.execute("analyze rows")

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        operator = "=" if where and where.operator == "==" else "<"
        condition = f"where {where.key} {operator} %s" if where else ""
        rows = self.connection.execute(
            f"select key from rows {condition} order by {self.distance} limit %s".encode(),
            [*([where.value] if where else []), HalfVector(question.embedding), k],
            prepare=True,
            binary=True,
        )
        return [key for (key,) in rows]


class ExactQuery(PreparedQuery):
    """The same, but it sorts everything that passes."""

    name = "prepared SQL, exact"
    distance = "(embedding <=> %s) + 0"  # no index has this


class JoinedQuery(PreparedQuery):
    """The same of two tables, as ragpg's are: a document has many chunks, and one metadata."""

    name = "prepared SQL, documents and chunks, exact"

    def index(self) -> None:
        super().index()
        columns = ", ".join(["key", *self.keys])
        for statement in (
            "alter table rows add column document_id bigint generated always as identity",
            f"create table documents as select document_id as id, {columns} from rows",
            "alter table documents add primary key (id)",
            "create index on rows (document_id)",
            *(f"create index on documents ({key})" for key in self.keys),
            "vacuum analyze rows, documents",
        ):
            self.connection.execute(statement.encode())

    def search(self, question: Question, k: int, where: Condition | None) -> Found:
        operator = "=" if where and where.operator == "==" else "<"
        condition = f"where document.{where.key} {operator} %s" if where else ""
        rows = self.connection.execute(
            "select document.*, chunk.content from documents as document"
            f" join rows as chunk on chunk.document_id = document.id {condition}"
            " order by (chunk.embedding <=> %s) + 0 limit %s".encode(),
            [*([where.value] if where else []), HalfVector(question.embedding), k],
            prepare=True,
            binary=True,
        )
        return [row[1] for row in rows]
