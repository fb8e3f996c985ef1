"""What the local Messages API answers: the sentence that shares most words with the question, cited."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .messages_checks import Block, blocks_in, blocks_of


def text_block(text: str, *spans: tuple[int, int, int]) -> Block:
    """Returns text citing `(search_result_index, start_block_index, end_block_index)` each."""
    if not spans:
        return {"type": "text", "text": text}
    return {"type": "text", "text": text, "citations": [_location(*span) for span in spans]}


def tool_call(name: str, number: int = 1, /, **given: Any) -> Block:
    """Returns a call of a tool; each of one message has a number of its own."""
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given}


def best_answer(body: dict[str, Any]) -> tuple[Block, ...]:
    """Returns the sentence that shares most words with the question; that it does not know else.

    Of a document it says what it is called.
    """
    blocks = blocks_of(body)
    if blocks[0]["type"] == "document":
        return (text_block(f"From the handbook named {blocks[0].get('title', 'nothing')}."),)
    wanted = _words(question_of(body))
    places = [
        (len(wanted & _words(part["text"])), -result, -place)
        for result, block in enumerate(_search_results(body))
        for place, part in enumerate(block["content"])
    ]
    shared, result, place = max(places, default=(0, 0, 0))
    if not shared:
        return (text_block(_sentence_of_not_knowing(body)),)
    sentence = _search_results(body)[-result]["content"][-place]["text"]
    return (text_block(sentence, (-result, -place, 1 - place)),)


def _sentence_of_not_knowing(body: dict[str, Any]) -> str:
    """Returns the one the system prompt quotes, as a model would that does as it is told."""
    quoted = re.search(r'\\"([^"]+)\\"', json.dumps(body.get("system", "")))
    return quoted[1] if quoted else "I do not know."


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3}


def question_of(body: dict[str, Any]) -> str:
    """Returns the text of the last message of a person, not of one that answers a tool's call."""
    for message in reversed(body["messages"]):
        blocks = blocks_in(message)
        if message["role"] == "user" and blocks[0]["type"] != "tool_result":
            return str(blocks[-1].get("text", ""))
    return ""


def _search_results(body: dict[str, Any]) -> list[Block]:
    """Returns them in the order in which they are counted: across messages and tool results."""
    found = []
    for message in body["messages"]:
        for block in blocks_in(message):
            inside = block.get("content", ()) if block["type"] == "tool_result" else [block]
            found += [one for one in inside if one["type"] == "search_result"]
    return found


def _location(result: int, start: int, end: int) -> Block:
    return {
        "type": "search_result_location",
        "search_result_index": result,
        "start_block_index": start,
        "end_block_index": end,
    }


def with_cited_text(block: Block, body: dict[str, Any]) -> Block:
    """Returns the block with what the API adds to a citation: its text, source and title."""
    cited = [_filled(citation, _search_results(body)) for citation in block.get("citations", ())]
    return {**block, "citations": cited or None} if block["type"] == "text" else block


def _filled(citation: Block, results: Sequence[Block]) -> Block:
    index, known = citation.get("search_result_index", -1), range(len(results))
    if citation["type"] != "search_result_location" or index not in known:
        return {"cited_text": "", "source": "", "title": None, **citation}
    parts = results[index]["content"][citation["start_block_index"] : citation["end_block_index"]]
    text = "".join(part["text"] for part in parts)
    source, title = results[index]["source"], results[index]["title"]
    return {"cited_text": text, "source": source, "title": title, **citation}
