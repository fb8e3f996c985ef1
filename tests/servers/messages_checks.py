"""What the Messages API refuses: its checks of a request's body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Block = dict[str, Any]
# Gone from the current models: each is refused, not ignored.
SAMPLING = ("temperature", "top_p", "top_k")
KNOWN = {
    *("model", "max_tokens", "messages", "system", "stream", "metadata", "stop_sequences"),
    *("thinking", "tools", "tool_choice", "service_tier", "output_config", "cache_control"),
}


def body_problem(body: Any, paused: Sequence[Any] = ()) -> tuple[int, str] | None:
    """Returns the error a body earns; `paused` are the contents that may be handed back to go on."""
    invalid = _invalid(body, paused) if isinstance(body, dict) else iter(["body: expected object"])
    message = next(invalid, None)
    if message:
        return 400, message
    if not body["model"].startswith("claude"):
        return 404, f"model: {body['model']}"
    return None


def _invalid(body: dict[str, Any], paused: Sequence[Any]) -> Iterator[str]:
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
        return
    last = body["messages"][-1]
    said = [{k: v for k, v in one.items() if v is not None} for one in blocks_in(last)]
    if last.get("role") != "user" and said not in paused:
        yield (
            "This model does not support assistant message prefill."
            " The conversation must end with a user message."
        )
    for place, message in enumerate(body["messages"]):
        for number, block in enumerate(blocks_in(message)):
            problems = _block_problems(block, message.get("role"))
            yield from (f"messages.{place}.content.{number}.{problem}" for problem in problems)
    if isinstance(body.get("system"), list):
        yield from (f"system.{problem}" for block in body["system"] for problem in _text(block))
    yield from _tool_problems(body)
    if sum("cache_control" in part for part in all_parts(body)) > 4:
        yield "A maximum of 4 blocks with cache_control may be provided."


def _tool_problems(body: dict[str, Any]) -> Iterator[str]:
    """Yields what is wrong with tools: each call is answered in the next message, first of all."""
    known = {tool.get("name") for tool in body.get("tools", ())}
    for tool in body.get("tools", ()):
        if tool.get("input_schema", {}).get("type") != "object":
            yield "tools.input_schema.type: Field required"
    if body.get("tool_choice") and not known:
        yield "tool_choice may only be specified while providing tools"
    open_calls: list[str] = []
    for place, message in enumerate(body["messages"]):
        blocks = blocks_in(message)
        kinds = [block.get("type") for block in blocks]
        answered = [one["tool_use_id"] for one in blocks if one.get("type") == "tool_result"]
        if sorted(open_calls) != sorted(answered):
            yield (
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks"
                f" immediately after: {', '.join(open_calls) or answered}"
            )
        if kinds[: len(answered)] != ["tool_result"] * len(answered):
            yield f"messages.{place}: `tool_result` blocks must come first"
        open_calls = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        if (open_calls or answered) and not known:
            yield "Requests which include `tool_use` or `tool_result` blocks must define tools"


def _block_problems(block: Block, role: str) -> Iterator[str]:
    kind = block.get("type")
    if kind == "text":
        yield from _text(block)
    elif kind in ("thinking", "tool_use") and role == "assistant":
        if kind == "thinking" and (not block.get("signature") or "cache_control" in block):
            yield "thinking.signature: Field required"
        if kind == "tool_use" and not isinstance(block.get("input"), dict):
            yield "tool_use.input: Input should be a valid dictionary"
    elif kind == "tool_result" and role == "user":
        for part in block.get("content") or ():
            yield from _block_problems(part, "tool_result")
    elif kind == "document":
        source = block.get("source", {})
        if (source.get("type"), source.get("media_type")) != ("text", "text/plain"):
            yield "document.source: Input should be text of media_type text/plain"
        elif not isinstance(source.get("data"), str) or not source["data"].strip():
            yield "document.source.data: must be non-empty"
    elif kind != "search_result":
        yield f"type: Input tag '{kind}' found"
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


def blocks_in(message: dict[str, Any]) -> list[Block]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def blocks_of(body: dict[str, Any]) -> list[Block]:
    """Returns the blocks of the last message."""
    return blocks_in(body["messages"][-1]) if body.get("messages") else []


def all_parts(body: dict[str, Any]) -> list[Any]:
    """Returns all that a prefix is made of, in its order: tools, system, blocks of messages."""
    system = body.get("system", "")
    parts = [*body.get("tools", ()), *(system if isinstance(system, list) else [system])]
    return [*parts, *(block for one in body.get("messages") or () for block in blocks_in(one))]
