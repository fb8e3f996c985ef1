"""The database's health: for the terminal, for monitoring, for a scraper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, LiteralString

from psycopg.rows import dict_row

from ragpg import queries
from ragpg.database.connection import Database

Row = dict[str, Any]

# Metric: type, view's column, help. One family each, labelled as its view is keyed.
_COLLECTION_METRICS = (
    ("ragpg_waiting_documents", "waiting_documents", "Documents that searches do not see yet."),
    ("ragpg_failing_documents", "failing_documents", "Documents whose last indexing failed."),
    ("ragpg_lag_seconds", "lag_seconds", "Age of the oldest waiting document."),
    ("ragpg_documents", "documents", "Documents stored."),
    ("ragpg_chunks", "chunks", "Chunks of the active search index."),
    ("ragpg_stale_citations", "stale_citations", "Citations of earlier document versions."),
    ("ragpg_problems", "problems", "Rows of the view health_problems."),
)
_INDEX_METRICS = (
    ("ragpg_index_table_bytes", "table_bytes", "Bytes of the chunks."),
    ("ragpg_index_bytes", "index_bytes", "Bytes of the indexes."),
    ("ragpg_index_valid", "indexes_valid", "Whether all indexes can be used."),
    ("ragpg_index_dead_chunks", "dead_chunks", "Dead rows, estimated."),
    ("ragpg_index_ef_search", "ef_search", "Least hnsw.ef_search of its scans."),
    ("ragpg_index_recall", "recall", "Recall when it was last measured."),
)
_DAY_METRICS = (
    ("ragpg_searches_today", "searches", "Searches today, from the sampled log."),
    ("ragpg_search_p95_milliseconds", "latency_p95_ms", "95th percentile of today's searches."),
    ("ragpg_search_zero_hit_share", "zero_hit_share", "Share of today's searches without a hit."),
)


def health(database: Database) -> dict[str, list[Row]]:
    """Returns the rows of health_problems, ingest_lag and index_health."""
    return {
        "problems": _rows(database, queries.HEALTH_PROBLEMS),
        "lag": _rows(database, queries.INGEST_LAG),
        "indexes": _rows(database, queries.SEARCH_INDEXES),
    }


def metrics(database: Database) -> str:
    """Returns the health as OpenMetrics text (https://prometheus.io/docs/specs/om)."""
    lines = [
        *_families(_COLLECTION_METRICS, _rows(database, queries.COLLECTION_METRICS), "collection"),
        *_families(
            _INDEX_METRICS, _rows(database, queries.SEARCH_INDEXES), "collection", "index_id"
        ),
        *_families(_DAY_METRICS, _rows(database, queries.SEARCHES_TODAY), "collection", "mode"),
        "# EOF\n",
    ]
    return "\n".join(lines)


def measure_recall(
    database: Database, collection: str, *, k: int, queries_asked: int, ef_search: int | None = None
) -> Row:
    """Measures the vector index against exact search; returns the row that is kept."""
    given = {"collection": collection, "k": k, "queries": queries_asked, "ef_search": ef_search}
    return _rows(database, queries.MEASURE_RECALL, given)[0]


def tune_ef_search(
    database: Database, collection: str, *, recall: float, k: int, queries_asked: int
) -> Row:
    """Stores the smallest ef_search that reaches the recall; returns its measurement."""
    given = {"collection": collection, "recall": recall, "k": k, "queries": queries_asked}
    return _rows(database, queries.TUNE_EF_SEARCH, given)[0]


def _rows(
    database: Database, statement: LiteralString, given: Mapping[str, Any] | None = None
) -> list[Row]:
    with database.connection() as connection:
        return connection.cursor(row_factory=dict_row).execute(statement, given).fetchall()


def _families(
    metrics: tuple[tuple[str, str, str], ...], rows: list[Row], *labels: str
) -> Iterator[str]:
    for name, column, told in metrics:
        yield f"# TYPE {name} gauge"
        yield f"# HELP {name} {told}"
        for row in rows:
            if row[column] is not None:
                said = ",".join(f'{label}="{_escape(str(row[label]))}"' for label in labels)
                yield f"{name}{{{said}}} {float(row[column])}"


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
