"""What the tests of ingesting and adding_meanwhile share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

CHECK = """
    select count(*)
    from ragpg.chunks as chunk
    join ragpg.documents as document on document.id = chunk.document_id
    where chunk.content <> substr(
        ragpg.document_text(chunk.document_id, chunk.document_version),
        chunk.start_char + 1, chunk.end_char - chunk.start_char)
        or chunk.document_version <> document.version
"""


def value(sql: psycopg.Connection, query: str, *args: Any) -> Any:
    row = sql.execute(query.encode(), args or None).fetchone()
    return row[0] if row else None


def write(folder: Path, count: int = 4) -> Path:
    folder.mkdir(exist_ok=True)
    for n in range(count):
        paragraphs = [f"Paragraph {n} {m}: the rate limit is {n * m}. " * 3 for m in range(6)]
        (folder / f"page{n}.md").write_text(f"# Page {n}\n\n" + "\n\n".join(paragraphs))
    return folder
