"""A document of Haystack as a record of ragpg's, without Haystack."""

from __future__ import annotations

from typing import Any

from ragpg.integrations.vectors import given_text, no_vector

ID = "_id"  # of a document, in its metadata: filters know no sources
OTHER = "_haystack"  # what a document has beside content, meta and embedding
WITHOUT = "_no_embedding"


def haystack_record(
    id: str,
    content: str | None,
    meta: dict[str, Any],
    embedding: Any,
    dimensions: int,
    **others: dict[str, Any] | None,
) -> dict[str, Any]:
    """Returns the record of a document, whose `others` are its blob and the like."""
    record = given_text(content or "")
    other = {name: value for name, value in others.items() if value is not None}
    record["metadata"] |= {**meta, ID: id, OTHER: {"has_content": content is not None, **other}}
    if missing := embedding is None or not len(embedding):
        record["metadata"][WITHOUT] = True
    vector = no_vector(dimensions) if missing else embedding
    return {**record, "source": id, "embedding": vector}
