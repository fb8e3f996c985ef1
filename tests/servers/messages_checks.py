"""What the Messages API refuses: its checks of a request's body."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Block = dict[str, Any]
# Gone from the current models: each is refused, not ignored.
SAMPLING = ("temperature", "top_p", "top_k")
KNOWN = {
    *("model", "max_tokens", "messages", "system", "stream", "metadata", "stop_sequences"),
    *("thinking", "tools", "tool_choice", "service_tier", "output_config", "cache_control"),
}


def body_problem(body: Any) -> tuple[int, str] | None:
    message = next(_invalid(body), None) if isinstance(body, dict) else "body: expected an object"
    if message:
        return 400, message
    if not body["model"].startswith("claude"):
        return 404, f"model: {body['model']}"
    return None


def _invalid(body: dict[str, Any]) -> Iterator[str]:
    for name in SAMPLING:
        if name in body:
            yield f"`{name}` is not supported by this model"
    yield from (f"{name}: Extra inputs are not permitted" for name in sorted(body.keys() - KNOWN))
    if not isinstance(body.get("model"), str):
        yield "model: Field required"
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        yield "max_tokens: Field required"
    if not body.get("messages"):
        yield "messages: at least one message is required"
    elif body["messages"][-1].get("role") != "user":
        yield (
            "This model does not support assistant message prefill."
            " The conversation must end with a user message."
        )
    for place, block in enumerate(blocks_of(body)):
        yield from (f"messages.0.content.{place}.{problem}" for problem in _block_problems(block))
    if isinstance(body.get("system"), list):
        yield from (f"system.{problem}" for block in body["system"] for problem in _text(block))


def _block_problems(block: Block) -> Iterator[str]:
    if block.get("type") == "text":
        yield from _text(block)
    elif block.get("type") == "document":
        source = block.get("source", {})
        if (source.get("type"), source.get("media_type")) != ("text", "text/plain"):
            yield "document.source: Input should be text of media_type text/plain"
        elif not isinstance(source.get("data"), str) or not source["data"].strip():
            yield "document.source.data: must be non-empty"
    elif block.get("type") != "search_result":
        yield f"type: Input tag '{block.get('type')}' found"
    else:
        yield from _search_result_problems(block)


def _search_result_problems(block: Block) -> Iterator[str]:
    for name in ("source", "title"):
        if not isinstance(block.get(name), str) or not block[name].strip():
            yield f"search_result.{name}: must be a non-empty string"
    if not block.get("content"):
        yield "search_result.content: at least one text block is required"
    # Stricter than the API, which takes uncited search results when none of them is cited.
    if block.get("citations") != {"enabled": True}:
        yield "search_result.citations: must be enabled"
    for part in block.get("content") or ():
        yield from (f"search_result.content.{problem}" for problem in _text(part))


def _text(block: Block) -> Iterator[str]:
    if block.get("type") != "text" or not isinstance(block.get("text"), str):
        yield "text: Field required"
    elif not block["text"].strip():
        yield "text: text content blocks must contain non-whitespace text"


def blocks_of(body: dict[str, Any]) -> list[Block]:
    content = body["messages"][-1].get("content") if body.get("messages") else []
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
