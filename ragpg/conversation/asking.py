"""A question to a stored answer whose every step is a row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragpg.answer import Answer
from ragpg.answer.asking import judge
from ragpg.answer.quoting import quote
from ragpg.conversation import queries
from ragpg.conversation.followups import standalone
from ragpg.conversation.history import PastTurn, asked, passages_of, past_messages
from ragpg.conversation.keeping import Keeper
from ragpg.conversation.limits import Meter, limits_of
from ragpg.conversation.looking import Looking
from ragpg.conversation.steps import OnStep, Step
from ragpg.conversation.tools import Tools
from ragpg.errors import BadArgument
from ragpg.models import MessagesClient
from ragpg.search import Hit, search
from ragpg.search.filters import to_jsonpath
from ragpg.session import Session

if TYPE_CHECKING:
    from ragpg.search.filters import Filter


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as it was asked."""

    session: Session
    collection: str
    question: str
    k: int
    filter: Filter | None
    model: str
    client: MessagesClient | None
    index_id: int | None
    conversation_id: int | None
    on_text: Callable[[str], None] | None
    on_step: OnStep | None


def ask(
    session: Session,
    collection: str,
    question: str,
    k: int = 8,
    *,
    filter: Filter | None = None,
    model: str | None = None,
    on_text: Callable[[str], None] | None = None,
    index_id: int | None = None,
    store: bool = True,
    steps: int = 1,
    conversation_id: int | None = None,
    on_step: OnStep | None = None,
    max_tokens: int | None = None,
    max_seconds: float | None = None,
    max_cost: float | Decimal | None = None,
) -> Answer:
    """Returns an answer whose steps are kept: `Collection.ask` says what the arguments mean."""
    client, name = session.anthropic_client(), model or session.settings.answer_model
    limits = limits_of(session, name, steps, max_tokens, max_seconds, max_cost)
    require_conversation(session, collection, conversation_id)
    meter = Meter(limits, time.monotonic())
    keeper = Keeper.start(
        session, collection, question, name if client else None, conversation_id, store
    )
    given = _Asked(
        session, collection, question, k, filter, name, client, index_id, conversation_id,
        on_text, on_step,
    )  # fmt: skip
    done: list[Step] = []
    try:
        # Once it is stored: who erases what a turn before it was shown finds this one, too.
        turns = _turns_before(session, collection, conversation_id, filter)
        answer = _answered(given, turns, meter, keeper, done)
    except BaseException:
        nothing = Answer(question, "", (), (), model=name if client else None)
        keeper.fail(_counted(_finished(nothing, given, meter, done), meter))
        raise
    return keeper.finish(_finished(answer, given, meter, done))


def require_conversation(session: Session, collection: str, conversation_id: int | None) -> None:
    """Raises BadArgument for a conversation that the collection, or the tenant, does not have."""
    if conversation_id is None:
        return
    known = session.database.value(
        queries.KNOWN_CONVERSATION, collection=collection, conversation_id=conversation_id
    )
    if known is None:
        raise BadArgument(
            f'there is no conversation {conversation_id} with collection "{collection}": '
            "view ragpg.conversation_overview has them"
        )


def _turns_before(
    session: Session, collection: str, conversation_id: int | None, filter: Filter | None
) -> list[PastTurn]:
    if conversation_id is None:
        return []
    return session.database.records(
        PastTurn,
        queries.PAST_TURNS,
        collection=collection,
        conversation_id=conversation_id,
        filter=to_jsonpath(filter),
    )


def _answered(
    given: _Asked, turns: Sequence[PastTurn], meter: Meter, keeper: Keeper, done: list[Step]
) -> Answer:
    history, shown = past_messages(turns) if given.client else ([], [])
    looking = Looking(
        given.question,
        history,
        shown,
        [],
        given.client,
        given.model,
        Tools(given.session, given.collection, given.filter, given.index_id, given.k),
        meter,
        keeper,
        given.on_text,
        given.on_step,
        done,
    )
    wording = standalone(given.client, given.model, turns, given.question, meter)
    if wording is not None:
        meter.spent += wording.usage
        looking.note(wording)
    first = _first_search(given, wording, len(done) + 1)
    looking.note(first)
    hits = list(first.hits)
    if given.client is None or meter.limits.steps == 1:
        judged = judge(given.session.database, wording.query if wording else given.question, hits)
        hits = hits if judged.is_enough else []
        if given.client is None or not (hits or history):
            answer = quote(given.question, passages_of(hits), judged.missing_names or ())
            if given.on_text is not None:
                given.on_text(answer.text)
            return replace(answer, ended_by="answer")
    passages = passages_of(hits)
    looking.messages.append(asked(passages, given.question))
    looking.shown += passages
    looking.found += passages
    return looking.run()


def _first_search(given: _Asked, wording: Step | None, place: int) -> Step:
    """Returns the step of the first search: for the question, and as it stands alone."""
    started = time.monotonic()
    query: str | list[str] = given.question
    if wording is not None and wording.query.casefold() != given.question.casefold():
        query = [given.question, wording.query]
    hits: list[Hit] = search(
        given.session, given.collection, query, given.k, filter=given.filter,
        index_id=given.index_id,
    )  # fmt: skip
    took = round((time.monotonic() - started) * 1000)
    return Step(place, "search", given.question, None, given.k, hits=tuple(hits), milliseconds=took)


def _counted(answer: Answer, meter: Meter) -> Answer:
    spent = asdict(meter.spent)
    return replace(answer, **spent, ended_by="failed")


def _finished(answer: Answer, given: _Asked, meter: Meter, done: Sequence[Step]) -> Answer:
    words = [step.query for step in done if step.tool == "standalone"]
    changes: dict[str, Any] = {
        "hits": tuple(hit for step in done for hit in step.hits),
        "steps": tuple(done),
        "conversation_id": given.conversation_id,
        "standalone": words[0] if words else None,
        "latency_ms": round((time.monotonic() - meter.started) * 1000),
    }
    return replace(answer, **changes)
