"""An answer stored while it is made: begun, each step, its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg.types.json import Jsonb

from ragpg.answer import Answer, Citation
from ragpg.answer.answering import heading
from ragpg.conversation import queries
from ragpg.conversation.steps import Step
from ragpg.errors import DocumentChanged, RagpgError, ReadOnly
from ragpg.search import Hit
from ragpg.session import Session, clean_query


@dataclass(slots=True)
class Keeper:
    """What is stored of an answer; nothing where nothing can be, or what it was shown is erased."""

    session: Session
    answer_id: int | None

    @classmethod
    def start(
        cls,
        session: Session,
        collection: str,
        question: str,
        model: str | None,
        conversation_id: int | None,
        store: bool,
    ) -> Keeper:
        """Returns the keeper of an answer that begins."""
        if not store:
            return cls(session, None)
        with suppress(ReadOnly):  # a standby
            found = session.database.value(
                queries.START_ANSWER,
                collection=collection,
                question=clean_query(question),
                model=model,
                conversation_id=conversation_id,
            )
            return cls(session, int(found))
        return cls(session, None)

    def note(self, step: Step) -> None:
        """Stores a step."""
        if self.answer_id is None:
            return
        with self._while_it_is_there():
            self.session.database.execute(
                queries.NOTE_STEP,
                answer_id=self.answer_id,
                place=step.place,
                tool=step.tool,
                query=step.query,
                filter=step.filter,
                k=step.k,
                start_char=step.start_char,
                end_char=step.end_char,
                hits=Jsonb([_told(hit) for hit in step.hits]),
                milliseconds=step.milliseconds,
                failed=step.failed,
                **asdict(step.usage),
            )

    def finish(self, answer: Answer) -> Answer:
        """Stores the answer; returns it with its id and the page of each citation."""
        if self.answer_id is None:
            return answer
        with self._while_it_is_there():
            parameters = _row(answer) | {"answer_id": self.answer_id}
            with self.session.database.connection() as connection:  # one transaction
                connection.execute(queries.FINISH_ANSWER, parameters)
                pages = connection.execute(queries.PAGES_OF_CITATIONS, parameters).fetchall()
            cited = zip(answer.citations, pages, strict=True)
            citations: tuple[Citation, ...] = tuple(replace(one, page=p) for one, (p,) in cited)
            return replace(answer, id=self.answer_id, citations=citations)
        return answer

    def fail(self, answer: Answer) -> None:
        """Stores that it failed, where that can be told; one that took no step leaves no row."""
        if self.answer_id is not None:
            with suppress(RagpgError):
                if answer.steps:
                    self.finish(answer)
                else:
                    self.session.database.execute(queries.FORGET_ANSWER, answer_id=self.answer_id)

    @contextmanager
    def _while_it_is_there(self) -> Iterator[None]:
        """Has nothing stored any more once something that was shown is erased."""
        try:
            yield
        except DocumentChanged:
            gone, self.answer_id = self.answer_id, None
            self.session.database.execute(queries.FORGET_ANSWER, answer_id=gone)


def _told(hit: Hit) -> dict[str, Any]:
    return {
        "document_id": hit.document_id,
        "document_version": hit.document_version,
        "start_char": hit.start_char,
        "end_char": hit.end_char,
        "chunk_id": hit.chunk_id or None,
        "source": hit.source,
        "heading": heading(hit),
    }


def _row(answer: Answer) -> dict[str, Any]:
    return {
        "content": clean_query(answer.text),
        "model": answer.model,
        "abstained": answer.abstained,
        "grounded": answer.grounded,
        "stop_reason": answer.stop_reason,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "cache_read_tokens": answer.cache_read_tokens,
        "cache_creation_tokens": answer.cache_creation_tokens,
        "latency_ms": answer.latency_ms,
        "ended_by": answer.ended_by,
        "citations": Jsonb([asdict(citation) for citation in answer.citations]),
    }
