"""What the local Messages API counts, and what it has cached."""

from __future__ import annotations

import json
from typing import Any

from .messages_checks import Block, all_parts


def usage_of(cached: set[str], body: dict[str, Any], blocks: list[Block]) -> dict[str, int]:
    """Returns a token for each four characters; a prefix that is marked is cached at once."""
    prefixes = _prefixes(body)
    marked = max((len(one) for one, is_marked in prefixes if is_marked), default=0)
    read = max((len(one) for one, _ in prefixes if one in cached), default=0)
    read = min(read, marked)
    cached |= {one for one, is_marked in prefixes if is_marked}
    written = [block.get("text", "") + json.dumps(block.get("input", "")) for block in blocks]
    return {
        "input_tokens": max(0, len(json.dumps(body)) - marked) // 4,
        "output_tokens": sum(map(len, written)) // 4 + 1,
        "cache_creation_input_tokens": (marked - read) // 4,
        "cache_read_input_tokens": read // 4,
    }


def _prefixes(body: dict[str, Any]) -> list[tuple[str, bool]]:
    """Returns what stands before each place of a request, and whether it is to be cached.

    A change of tool_choice makes another prefix of all messages, not of tools and system.
    """
    prefix, found = "", []
    fixed = len(all_parts({**body, "messages": []}))
    for place, part in enumerate(all_parts(body)):
        is_marked = isinstance(part, dict) and "cache_control" in part
        plain = {k: v for k, v in part.items() if k != "cache_control"} if is_marked else part
        if place == fixed:
            prefix += json.dumps(body.get("tool_choice"))
        prefix += json.dumps(plain)
        found.append((prefix, is_marked))
    return found
