"""What a page's address says: the search it shows, as checked values and back as an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args
from urllib.parse import urlencode

from ragpg.errors import BadArgument
from ragpg.search import Mode
from ragpg.search.filters import read_filter

MODES = get_args(Mode)
MOST_HITS = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as the address has it; `filter` is as it was typed."""

    q: str = ""
    collection: str = ""
    mode: Mode = "hybrid"
    k: int = 10
    filter: str = ""

    @property
    def query(self) -> str:
        """The address's query string, without what is as by default."""
        default = Asked()
        named = {name: getattr(self, name) for name in self.__slots__}
        return urlencode({k: v for k, v in named.items() if v != getattr(default, k)})

    @property
    def parsed_filter(self) -> Any:
        """The filter as `Collection.search` takes it, None without one."""
        return read_filter(self.filter) if self.filter else None

    def but(self, **changes: Any) -> Asked:
        """Returns the search with some values changed."""
        return replace(self, **changes)


def read(given: Mapping[str, str]) -> Asked:
    """Returns the search of an address or a form; raises BadArgument for a value it cannot be."""
    mode = given.get("mode") or "hybrid"
    if mode not in MODES:
        raise BadArgument(f'there is no mode "{mode}" (modes are hybrid, vector and keyword)')
    k = number(given, "k", 10)
    if not 1 <= k <= MOST_HITS:
        raise BadArgument(f"k is {k}: this page shows 1 to {MOST_HITS} hits")
    return Asked(
        q=given.get("q", "").strip(),
        collection=given.get("collection", ""),
        mode=cast(Mode, mode),
        k=k,
        filter=given.get("filter", "").strip(),
    )


def read_leniently(given: Mapping[str, str]) -> Asked:
    """Returns what can be kept of a search, for the page that says what was wrong with it."""
    try:
        return read(given)
    except BadArgument:
        return Asked(q=given.get("q", ""), collection=given.get("collection", ""))


def number(given: Mapping[str, str], name: str, default: int) -> int:
    """Returns a whole number from 0 that a bigint can be; BadArgument for anything else."""
    text = given.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadArgument(f'{name} is "{text[:40]}", which is no number')
    return int(text)
