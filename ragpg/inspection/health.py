"""The database's health: for the terminal, for monitoring, for a scraper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ragpg.arguments import tells
from ragpg.database import Database
from ragpg.inspection import queries

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


@tells
@dataclass(frozen=True, slots=True)
class Health:
    """Whether all is well with a database: `client.health`."""

    database: Database

    def status(self) -> dict[str, list[Row]]:
        """Returns problems (empty: all is well), lag and indexes, rows of the views of health."""
        return {
            "problems": self.database.rows(queries.HEALTH_PROBLEMS),
            "lag": self.database.rows(queries.INGEST_LAG),
            "indexes": self.database.rows(queries.INDEX_HEALTH),
        }

    def metrics(self) -> str:
        """Returns the health as OpenMetrics text (https://prometheus.io/docs/specs/om)."""
        rows = self.database.rows
        lines = [
            *_families(_COLLECTION_METRICS, rows(queries.COLLECTION_METRICS), "collection"),
            *_families(_INDEX_METRICS, rows(queries.INDEX_HEALTH), "collection", "index_id"),
            *_families(_DAY_METRICS, rows(queries.SEARCHES_TODAY), "collection", "mode"),
            "# EOF\n",
        ]
        return "\n".join(lines)


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
