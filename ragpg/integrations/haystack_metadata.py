"""What is in the metadata of a Haystack store's documents: counted, listed, their extremes."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from ragpg.collection import Collection
from ragpg.errors import UnknownCollection
from ragpg.integrations.haystack_filters import field_of, of_filters
from ragpg.integrations.vectors import awaited

Filters = dict[str, Any] | None
Meta = dict[str, Any]
_TYPES = {bool: "boolean", int: "int", float: "real", str: "keyword", list: "list", dict: "dict"}


class Metadata(ABC):
    """The questions about fields, answered from the metadata of the documents that pass."""

    @property
    @abstractmethod
    def collection(self) -> Collection:
        """ragpg's collection."""

    def metas(self, filters: Filters = None) -> list[Meta]:
        """Returns the meta of each document that passes."""
        try:
            found = self.collection.documents(filter=of_filters(filters))
        except UnknownCollection:  # nothing was written yet
            return []
        return [self.own(one.metadata) for one in found]

    @staticmethod
    def own(metadata: Meta) -> Meta:
        """Returns what of a document's metadata is its user's."""
        return metadata

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """Returns how many documents pass."""
        return len(self.metas(filters))

    def count_unique_metadata_by_filter(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """Returns how many values each field has in the documents that pass."""
        held = self.metas(filters)
        return {one: len(_values(held, field_of(one))) for one in metadata_fields}

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """Returns the type of each field, that of the last document with one."""
        return {
            key: {"type": _TYPES.get(type(value), "keyword")}
            for meta in self.metas()
            for key, value in meta.items()
        }

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """Returns the least and the greatest value of a field, None without one."""
        values = _values(self.metas(), field_of(metadata_field))
        return {"min": min(values, default=None), "max": max(values, default=None)}

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters = None,
    ) -> tuple[list[Any], int]:
        """Returns a page of a field's values, those that hold the term, and how many there are."""
        found = sorted(_values(self.metas(filters), field_of(metadata_field)), key=str)
        if search_term:
            found = [one for one in found if search_term.lower() in str(one).lower()]
        return found[from_ : from_ + size], len(found)

    count_documents_by_filter_async = awaited(count_documents_by_filter)
    count_unique_metadata_by_filter_async = awaited(count_unique_metadata_by_filter)
    get_metadata_fields_info_async = awaited(get_metadata_fields_info)
    get_metadata_field_min_max_async = awaited(get_metadata_field_min_max)
    get_metadata_field_unique_values_async = awaited(get_metadata_field_unique_values)


def _values(metas: list[Meta], key: str) -> list[Any]:
    """Returns the values of a field, each once: 1, 1.0, "1" and true are four."""
    held = [meta[key] for meta in metas if meta.get(key) is not None]
    return list({json.dumps(value, sort_keys=True): value for value in held}.values())
