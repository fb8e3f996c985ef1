"""A model as judge: is an answer right, and does it say so as it should?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ragpg.errors import AnswerError
from ragpg.models import MessagesClient, ask_model

_PROMPT = (
    "You grade an answer against an expected one. Facts are right when the answer states what the "
    "expected answer states and contradicts none of it; more detail is fine, other wording is "
    "fine. Form is right when the answer is as brief and as direct as the expected one asks for, "
    "in its language and format. Give the reason in one sentence, then the two judgements."
)
_TOOL = {
    "name": "grade",
    "description": "Records the grade.",
    "input_schema": {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "facts_right": {"type": "boolean"},
            "form_right": {"type": "boolean"},
        },
        "required": ["reason", "facts_right", "form_right"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True, slots=True)
class Grade:
    """What the judge found."""

    grade: Literal["right", "right in fact", "wrong"]
    reason: str


def grade_answer(
    client: MessagesClient, *, model: str, question: str, expected: str, answer: str
) -> Grade:
    """Returns the grade a model gives the answer; raises AnswerError when it gives none."""
    told = (
        f"<question>{question}</question>\n<expected_answer>{expected}</expected_answer>\n"
        f"<answer>{answer}</answer>"
    )
    message = ask_model(
        client,
        {
            "model": model,
            "max_tokens": 1024,
            "system": _PROMPT,
            "tools": [_TOOL],
            "tool_choice": {"type": "tool", "name": "grade"},
            "messages": [{"role": "user", "content": told}],
        },
    )
    for block in message.content:
        if block.type == "tool_use" and isinstance(block.input, dict):
            return _grade(block.input)
    raise AnswerError(f"the judge gave no grade: it stopped for {message.stop_reason}")


def _grade(given: dict[str, Any]) -> Grade:
    reason = str(given.get("reason", ""))
    if not given.get("facts_right"):
        return Grade("wrong", reason)
    return Grade("right" if given.get("form_right") else "right in fact", reason)
