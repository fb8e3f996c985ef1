"""LlamaIndex's filters -> jsonpath predicates over a document's metadata."""

from __future__ import annotations

import json

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)

from ragpg.integrations.vectors import NODE_ID
from ragpg.search.filters import to_jsonpath

_OPERATORS = {
    FilterOperator.EQ: "$eq",
    FilterOperator.NE: "$ne",
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
    FilterOperator.IN: "$in",
    FilterOperator.NIN: "$nin",
    FilterOperator.ANY: "$in",  # a list is compared element by element
    FilterOperator.CONTAINS: "$eq",
}
_FLAGS = {FilterOperator.TEXT_MATCH: "q", FilterOperator.TEXT_MATCH_INSENSITIVE: "qi"}
_FULL = '!(@ == null) && (@ != "" || (@ == "") is unknown)'


def of_query(query: VectorStoreQuery) -> str | None:
    """Returns the filter of a query, with its nodes and documents."""
    parts = [of_filters(query.filters)]
    if query.node_ids:  # an index gives an empty list for all
        parts.append(to_jsonpath({NODE_ID: {"$in": query.node_ids}}))
    if query.doc_ids:
        parts.append(to_jsonpath({"ref_doc_id": {"$in": query.doc_ids}}))
    return " && ".join(f"({part})" for part in parts if part) or None


def of_filters(filters: MetadataFilters | None) -> str | None:
    """Returns filters as jsonpath, None for none."""
    if filters is None or not filters.filters:
        return None
    parts = [
        f"({of_filters(one) if isinstance(one, MetadataFilters) else _compared(one)})"
        for one in filters.filters
    ]
    if filters.condition is FilterCondition.OR:
        return " || ".join(parts)
    if filters.condition is FilterCondition.NOT:  # none of them
        either = " || ".join(parts)
        return f"!({either}) || ({either}) is unknown"
    return " && ".join(parts)


def _compared(one: MetadataFilter) -> str | None:
    if one.operator is FilterOperator.IS_EMPTY:
        return f"!(exists ({_field(one.key)}[*] ? ({_FULL})))"
    if one.operator in _FLAGS:
        if not isinstance(one.value, str):
            raise ValueError(f"{one.operator.value} of {one.key} needs a text, not {one.value!r}")
        return f'{_field(one.key)} like_regex {json.dumps(one.value)} flag "{_FLAGS[one.operator]}"'
    if one.operator is FilterOperator.ALL:
        values = one.value if isinstance(one.value, list) else [one.value]
        return to_jsonpath({"$and": [{one.key: {"$eq": value}} for value in values]})
    return to_jsonpath({one.key: {_OPERATORS[one.operator]: one.value}})


def _field(key: str) -> str:
    return f"$.{json.dumps(key)}"
