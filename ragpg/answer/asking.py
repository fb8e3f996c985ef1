"""A question to a stored answer: search, judge the hits, let the model write, store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from ragpg.answer import queries
from ragpg.answer.answering import answer_question
from ragpg.answer.answers import Answer
from ragpg.database import Database
from ragpg.errors import DocumentChanged, ReadOnly
from ragpg.search import Hit, search
from ragpg.session import Session, clean_query

if TYPE_CHECKING:
    from ragpg.search.filters import Filter


@dataclass(frozen=True, slots=True)
class Judgement:
    """The row of `ragpg.judge_hits`: whether hits are enough to answer from, and why.

    `relevance` is from 0 to 1, None until `ragpg eval calibrate`; `similarity` that of the best.
    """

    is_enough: bool
    relevance: float | None
    similarity: float | None
    words_held: float | None
    missing_names: list[str] | None
    unmatched_negation: bool | None


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
) -> Answer:
    """Returns an answer from the k best chunks: `Collection.ask` says what the arguments mean."""
    hits = search(session, collection, question, k, filter=filter, index_id=index_id)
    judged = judge(session.database, question, hits)
    answer = answer_question(
        question,
        hits if judged.is_enough else [],
        model=model or session.settings.answer_model,
        client=session.anthropic_client(),
        on_text=on_text,
        missing=judged.missing_names or (),
    )
    if store:
        with suppress(ReadOnly, DocumentChanged):  # a standby, or erased meanwhile: no id
            return save_answer(session, collection, answer)
    return answer


def judge(database: Database, query: str, hits: Sequence[Hit]) -> Judgement:
    """Returns whether the hits of a search, best first, are enough to answer from."""
    parameters = {
        "query": clean_query(query),
        "chunk_ids": [hit.chunk_id for hit in hits],
        "similarities": [hit.similarity for hit in hits],
    }
    (found,) = database.records(Judgement, queries.JUDGE_HITS, **parameters)
    return found


def save_answer(session: Session, collection: str, answer: Answer) -> Answer:
    """Stores the answer; returns it with its id and the page of each citation."""
    parameters = {
        "collection": collection,
        "question": answer.question,
        "content": answer.text,
        "model": answer.model,
        "abstained": answer.abstained,
        "grounded": answer.grounded,
        "stop_reason": answer.stop_reason,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "cache_read_tokens": answer.cache_read_tokens,
        "cache_creation_tokens": answer.cache_creation_tokens,
        "latency_ms": answer.latency_ms,
        "citations": Jsonb([asdict(citation) for citation in answer.citations]),
    }
    with session.database.connection() as connection:  # one transaction
        row = connection.execute(queries.SAVE_ANSWER, parameters).fetchone()
        assert row is not None
        pages = connection.execute(queries.CITATION_PAGES, row).fetchall()
    cited = zip(answer.citations, pages, strict=True)
    return replace(
        answer, id=row[0], citations=tuple(replace(one, page=page) for one, (page,) in cited)
    )
