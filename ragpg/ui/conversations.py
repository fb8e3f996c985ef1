"""The pages of conversations: turns, their steps folded, each citation opening its characters."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ragpg.answer import Answer, Citation
from ragpg.conversation import ENDINGS
from ragpg.ui import queries
from ragpg.ui.pages import answer_parts, cited_once, client_of, filled, names_of, rows_of
from ragpg.ui.requests import Asked

MOST = 100


def conversations(request: Request) -> Response:
    """The newest conversations of all collections."""
    client = client_of(request)
    return filled(
        request,
        "conversations.html",
        here="conversations",
        collections=names_of(client),
        rows=rows_of(client, queries.CONVERSATIONS, limit=MOST),
    )


def conversation(request: Request) -> Response:
    """One conversation, turn by turn."""
    client, number = client_of(request), request.path_params["conversation_id"]
    turns = rows_of(client, queries.CONVERSATION_TURNS, conversation_id=min(number, 2**63 - 1))
    if not turns:
        raise HTTPException(404, f"There is no conversation {number}, or nothing was asked in it")
    return filled(
        request,
        "conversation.html",
        here="conversations",
        collections=names_of(client),
        asked=Asked(collection=turns[0]["collection"]),
        number=number,
        turns=[_shown(turn) for turn in turns],
    )


def _shown(turn: dict[str, Any]) -> dict[str, Any]:
    """Returns a turn with its text cut where it cites, and what ended it in words."""
    citations = tuple(Citation(**cited) for cited in turn["citations"])
    answer = Answer(turn["question"], turn["answer"], citations, ())
    cited = cited_once(answer)
    return turn | {
        "parts": list(answer_parts(answer, cited)),
        "cited": cited,
        "ended": ENDINGS.get(turn["ended_by"] or "answer", ""),
    }
