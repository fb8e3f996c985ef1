"""Fills a database with what the pictures in docs/pictures show: the documentation of Postgres.

python -m docs.picture_data FOLDER_OF_HTML_PAGES    # of postgresql-doc-15; into the database in use

No answer is made up: without a key for Claude, `ask` quotes the best passages.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import ragpg

LABELLED = [
    ("sql-createindex", "can I build an index without blocking writes",
     "PostgreSQL supports building indexes without locking out writes."),
    ("sql-vacuum", "what happens to the space of deleted rows",
     "VACUUM reclaims storage occupied by dead tuples."),
    ("ddl-rowsecurity", "who may see which rows when there is no policy",
     "a default-deny policy is used, meaning that no rows are visible or can be modified."),
    ("routine-vacuuming", "why must every table be vacuumed even if it never changes",
     "To protect against loss of very old data due to transaction ID wraparound"),
    ("transaction-iso", "which isolation level do I get if I set none",
     "Read Committed is the default isolation level in PostgreSQL."),
    ("app-pgdump", "which formats can a dump have",
     "Dumps can be output in script or archive file formats."),
    ("ddl-constraints", "what does a primary key promise",
     "can be used as a unique identifier for rows in the table."),
    ("sql-explain", "how do I see the time each step of a plan really took",
     "Then actual run time statistics are added to the display"),
    ("textsearch-indexes", "which index is best for words",
     "GIN indexes are the preferred text search index type."),
    ("datatype-json", "is jsonb faster than json",
     "jsonb data is stored in a decomposed binary format"),
    ("hot-standby", "queries on the standby are cancelled by vacuum",
     "which prevents VACUUM from removing recently-dead rows"),
    ("runtime-config-resource", "how much memory should the shared cache get",
     "a reasonable starting value for shared_buffers is 25% of the memory in your system."),
    ("runtime-config-locks", "how long until a deadlock is looked for",
     "This is the amount of time to wait on a lock before checking to see if there is a deadlock"),
    ("runtime-config-connection", "too many clients already: where is the limit",
     "Determines the maximum number of concurrent connections to the database server."),
]  # fmt: skip
"""A page, a question, and the words of that page which answer it."""


def fill(client: ragpg.Client, folder: Path) -> None:
    """Makes the database show pages, runs, logged searches, answers, a stale citation, a queue."""
    pages = client.collection("postgres")
    pages.add(folder)
    with client.database.connection() as connection:
        connection.execute("update ragpg.collections set search_log_share = 1")
    questions = [question for _, question, _ in LABELLED]
    with tempfile.TemporaryDirectory() as temporary:
        pages.evaluation.load(_questions(Path(temporary) / "questions.jsonl", folder))
    pages.evaluation.run(mode="keyword", note="words alone")
    pages.evaluation.run(mode="vector", note="meaning alone")
    pages.evaluation.run(k=5, note="fewer hits")
    pages.evaluation.run(note="as it is by default")
    for question in questions:
        pages.search(question)
    pages.search("opening hours of the cafeteria")
    for question in questions[:5]:
        pages.ask(question)
    notes = client.collection("runbooks")
    lag = "# Replication lag\n\nThe standby lags when the network is slow.\n"
    notes.add(text=lag, source="runbooks/replication-lag.md")
    notes.ask("why does the standby lag")
    late = lag.replace("network is slow", "disk of the standby is slow")
    notes.add(text=late, source="runbooks/replication-lag.md")
    client.collection("postgres").indexes.measure_recall()
    with client.database.connection() as connection:
        # With the shortest scan, truly measured: something for health_problems to tell.
        connection.execute("select ragpg.measure_recall('postgres', k => 1, ef_search => 1)")
        connection.execute(
            "select ragpg.put_document('runbooks', 'runbooks/disk-full.md',"
            " 'Move pg_wal to another disk.')"
        )


def _questions(path: Path, folder: Path) -> Path:
    rows = [
        {"question": question, "labels": [{"source": str(folder / f"{page}.html"), "quote": quote}]}
        for page, question, quote in LABELLED
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


if __name__ == "__main__":
    with ragpg.connect() as opened:
        fill(opened, Path(sys.argv[1]).absolute())
