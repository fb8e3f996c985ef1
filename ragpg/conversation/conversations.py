"""A conversation: questions that may follow each other, each turn a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragpg.answer import Answer
from ragpg.arguments import tells
from ragpg.conversation import queries
from ragpg.conversation.asking import ask, require_conversation
from ragpg.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragpg.conversation.steps import OnStep
    from ragpg.search.filters import Filter


@dataclass(frozen=True, slots=True)
class Turn:
    """A row of `ragpg.conversation_turns`."""

    turn: int
    answer_id: int
    question: str
    standalone: str | None
    answer: str
    model: str | None
    abstained: bool
    grounded: bool
    ended_by: str | None
    steps: int
    citations: int
    rating: str | None
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    latency_ms: int
    cost: Decimal | None
    created_at: datetime


@tells
@dataclass(frozen=True, slots=True)
class Conversation:
    """Questions to one collection that may follow each other."""

    session: Session
    collection: str
    id: int

    @classmethod
    def begin(cls, session: Session, collection: str, id: int | None = None) -> Conversation:
        """Returns the conversation of that id, or a new one."""
        if id is None:
            found = session.database.value(queries.START_CONVERSATION, collection=collection)
            return cls(session, collection, int(found))
        require_conversation(session, collection, id)
        return cls(session, collection, id)

    @classmethod
    def last(cls, session: Session, collection: str) -> Conversation:
        """Returns that of the last answer; one asked alone becomes the first turn of a new one."""
        found = session.database.value(queries.CONTINUE_CONVERSATION, collection=collection)
        return cls(session, collection, int(found))

    def ask(
        self,
        question: str,
        k: int = 8,
        *,
        filter: Filter | None = None,
        model: str | None = None,
        on_text: Callable[[str], None] | None = None,
        steps: int = 1,
        on_step: OnStep | None = None,
        max_tokens: int | None = None,
        max_seconds: float | None = None,
        max_cost: float | Decimal | None = None,
    ) -> Answer:
        """Returns the answer to the next question, as `Collection.ask` does; it is a turn.

        A question that says little by itself is worded by the model so that it can be searched
        for, and both wordings are; the model is sent what was said before, within a bound.
        """
        given: dict[str, Any] = {
            "filter": filter,
            "model": model,
            "on_text": on_text,
            "steps": steps,
            "on_step": on_step,
            "max_tokens": max_tokens,
            "max_seconds": max_seconds,
            "max_cost": max_cost,
            "conversation_id": self.id,
        }
        return ask(self.session, self.collection, question, k, **given)

    def turns(self) -> list[Turn]:
        """Returns what was asked and answered, oldest first."""
        return self.session.database.records(
            Turn, queries.TURNS, collection=self.collection, conversation_id=self.id
        )

    def delete(self) -> bool:
        """Deletes the conversation with its turns; returns whether there was one."""
        return bool(
            self.session.database.value(
                queries.DELETE_CONVERSATION, collection=self.collection, conversation_id=self.id
            )
        )


def prune(session: Session, collection: str, older_than: timedelta) -> int:
    """Deletes conversations whose last turn is older than given; returns how many."""
    found = session.database.value(
        queries.PRUNE_CONVERSATIONS, collection=collection, older_than=older_than
    )
    return int(found)
