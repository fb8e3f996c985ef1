"""A message as the events of a stream, whole or cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

Block = dict[str, Any]


def events(message: dict[str, Any]) -> Iterator[Block]:
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block)
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
        "usage": {"output_tokens": usage["output_tokens"]},
    }
    yield {"type": "message_stop"}


def _block_events(index: int, block: Block) -> Iterator[Block]:
    yield {"type": "content_block_start", "index": index, "content_block": _emptied(block)}
    yield {"type": "ping"}
    for delta in _deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _emptied(block: Block) -> Block:
    if block["type"] == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    if block["type"] == "tool_use":
        return {**block, "input": {}}
    return {"type": "text", "text": "", **({"citations": []} if block["citations"] else {})}


def _deltas(block: Block) -> Iterator[Block]:
    kind = block["type"]
    if kind == "tool_use":
        text = json.dumps(block["input"])
        for start in range(0, len(text), 9):
            yield {"type": "input_json_delta", "partial_json": text[start : start + 9]}
        return
    for start in range(0, len(block[kind]), 9):
        yield {"type": f"{kind}_delta", kind: block[kind][start : start + 9]}
    if kind == "thinking":
        yield {"type": "signature_delta", "signature": block["signature"]}
    for citation in block.get("citations") or ():
        yield {"type": "citations_delta", "citation": citation}


def as_event(event: Block) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def middle(events: Sequence[Block]) -> int:
    """Returns the place after half the text, at least one piece of it."""
    places = [
        place
        for place, event in enumerate(events)
        if event.get("delta", {}).get("type") == "text_delta"
    ]
    return places[len(places) // 2] + 1


def cut_within_a_character(data: bytes) -> bytes:
    """Returns the beginning up to within the last character that takes several bytes."""
    return data[: max(place for place, byte in enumerate(data) if byte >= 0xC0) + 1]
