"""The two tools a model looks again with: this collection, the question's filter, nothing else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ragpg.conversation import queries
from ragpg.conversation.steps import Step
from ragpg.errors import BadArgument, BadFilter
from ragpg.search import Hit, search
from ragpg.search.filters import Filter, to_jsonpath
from ragpg.session import Session, clean_query

MOST_HITS = 20
MOST_READ = 6_000  # characters of one read
_LONGEST_QUERY = 1_000
_LONGEST_FILTER = 1_000  # as JSON; ten times that as jsonpath
_DEEPEST_FILTER = 6

SEARCH = {
    "name": "search",
    "description": (
        "Searches the same collection again, by meaning and by words. Ask for one thing at a time, "
        "in the words its documents would use; use what was found already, such as names. Returns "
        "passages that can be cited."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for, in plain words."},
            "filter": {
                "type": "object",
                "description": 'Conditions on metadata, such as {"year": {"$gte": 2024}}. '
                "Leave it out unless you know the metadata.",
            },
            "k": {"type": "integer", "minimum": 1, "maximum": MOST_HITS},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
}
READ = {
    "name": "read",
    "description": (
        "Reads on in a document that a search result names as its source: the characters from "
        f"start to before end, at most {MOST_READ}. Returns a passage that can be cited."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "source": {"type": "string", "description": "The source of a search result."},
            "start": {"type": "integer", "minimum": 0},
            "end": {"type": "integer", "minimum": 1},
        },
        "required": ["source", "start", "end"],
        "additionalProperties": False,
    },
}
TOOLS = (SEARCH, READ)


class Refused(Exception):
    """A call that is not run, in words for the model."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the tools may reach, whatever a model asks for."""

    session: Session
    collection: str
    filter: Filter | None = None
    index_id: int | None = None
    k: int = 8

    def run(self, place: int, name: str, given: Any) -> Step:
        """Returns the step: its hits, or why it failed. Only a lost database raises."""
        started = time.monotonic()
        asked = Step(place, _short(name), "")
        try:
            if name == "search":
                asked = self._search(asked, _checked(given, SEARCH))
            elif name == "read":
                asked = self._read(asked, _checked(given, READ))
            else:
                if name == "standalone":  # a step of that name is ours, and counts as none
                    asked = replace(asked, tool="no standalone")
                raise Refused(f'there is no tool "{_short(name)}": search and read are all')
        except (Refused, BadArgument, BadFilter) as error:
            asked = replace(_told(asked, given), failed=_short(str(error), 500))
        return replace(asked, milliseconds=round((time.monotonic() - started) * 1000))

    def _search(self, asked: Step, given: dict[str, Any]) -> Step:
        wanted = given.get("k", min(self.k, MOST_HITS))
        query, k = _text(given, "query"), _whole(wanted, "k", 1, MOST_HITS)
        own = _own_filter(given.get("filter"))
        hits = search(
            self.session,
            self.collection,
            query,
            k,
            filter=both(to_jsonpath(self.filter), own),
            index_id=self.index_id,
        )
        return replace(asked, query=query, filter=own, k=k, hits=tuple(hits))

    def _read(self, asked: Step, given: dict[str, Any]) -> Step:
        source = _text(given, "source")
        start = _whole(given["start"], "start", 0, 2**31 - 1)
        end = min(_whole(given["end"], "end", start + 1, 2**31 - 1), start + MOST_READ)
        asked = replace(asked, query=source, start_char=start, end_char=end)
        found = self.session.database.rows(
            queries.READ_DOCUMENT,
            collection=self.collection,
            source=source,
            start_char=start,
            end_char=end,
            filter=to_jsonpath(self.filter),
        )
        if not found:
            return replace(asked, failed=f'there is no document "{_short(source)}" here')
        (row,) = found
        if not row["content"].strip():
            return replace(asked, failed=f"nothing stands there: it has {row['length']} characters")
        return replace(asked, hits=(_hit_of(row, source, start),))


def both(first: str | None, second: str | None) -> str | None:
    """Returns a predicate that is true where both are; each is one by itself."""
    if first is None or second is None:
        return first if second is None else second
    mode = re.match(r"\s*(strict|lax)\b", first)
    rest = first[mode.end() :] if mode else first
    return f"{mode[1] + ' ' if mode else ''}({rest}) && ({second})"


def _hit_of(row: dict[str, Any], source: str, start: int) -> Hit:
    return Hit(
        place=1,
        chunk_id=0,
        document_id=row["document_id"],
        document_version=row["document_version"],
        source=source,
        title=row["title"],
        content=row["content"],
        context="",
        score=0.0,
        similarity=None,
        bm25=None,
        start_char=start,
        end_char=start + len(row["content"]),
        page=row["page"],
        metadata=row["metadata"],
    )


# What a model gave ---------------------------------------------------------------------------


def _checked(given: Any, tool: dict[str, Any]) -> dict[str, Any]:
    schema = tool["input_schema"]
    if not isinstance(given, Mapping):
        raise Refused("the input is an object")
    unknown = [_short(str(name)) for name in given if name not in schema["properties"]]
    if unknown:
        known = ", ".join(schema["properties"])
        raise Refused(f"{tool['name']} takes {known}, and no {', '.join(unknown[:5])}")
    missing = [name for name in schema["required"] if given.get(name) is None]
    if missing:
        raise Refused(f"{tool['name']} needs {', '.join(missing)}")
    return dict(given)


def _own_filter(given: Any) -> str | None:
    """Returns a model's filter; one of many conditions, or levels, would take long to write out."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise Refused('filter is an object, such as {"year": 2024}')
    if _is_deeper(given, _DEEPEST_FILTER) or len(json.dumps(given)) > _LONGEST_FILTER:
        raise Refused(
            f"filter is at most {_LONGEST_FILTER} characters and {_DEEPEST_FILTER} levels deep"
        )
    own = to_jsonpath(given)
    if own is not None and len(own) > 10 * _LONGEST_FILTER:
        raise Refused("filter has too many conditions")
    return own


def _is_deeper(given: Any, levels: int) -> bool:
    if not isinstance(given, Mapping | list):
        return False
    inside = given.values() if isinstance(given, Mapping) else given
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inside)


def _text(given: dict[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_QUERY:
        raise Refused(f"{name} is text of 1 to {_LONGEST_QUERY} characters")
    return clean_query(value)


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Refused(f"{name} is a whole number from {least} to {most}")
    return value


def _told(asked: Step, given: Any) -> Step:
    """Returns a refused step with what was asked for, as far as it can be told."""
    query = given.get("query", given.get("source")) if isinstance(given, Mapping) else given
    return replace(asked, query=_short("" if query is None else str(query), _LONGEST_QUERY))


def _short(text: str, most: int = 100) -> str:
    return clean_query(text if len(text) <= most else f"{text[:most]}...")
