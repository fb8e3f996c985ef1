"""Sentences of context through the Message Batches API: half the price, within a day.

A row of ragpg.context_batches and its chunk_contexts are committed before a batch is submitted, so
that no sentence is asked for twice while one is open, also after a kill at any point.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ragpg.contexts import queries
from ragpg.contexts.contextual import Call, plan, read_sentence, request
from ragpg.contexts.situating import DOING, Block, ContextProgress, Situator, row_of
from ragpg.database import Database
from ragpg.database.sessions import connect_alone
from ragpg.errors import AnswerError, BadArgument, CapReached
from ragpg.models import Usage, api_errors, require_client, usage_of

# A batch holds at most 100,000 requests and 256 MB:
# https://platform.claude.com/docs/en/build-with-claude/batch-processing
_MOST_REQUESTS = 10_000
_MOST_BYTES = 64_000_000
_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of ragpg.context_batches."""

    id: int
    collection: str
    model: str
    request_count: int
    provider_batch_id: str | None
    state: str
    error: str | None
    created_at: datetime
    ended_at: datetime | None


def run_batches(
    situator: Situator,
    blocks: Iterable[Block],
    *,
    poll_seconds: float = 60.0,
    progress: ContextProgress | None = None,
) -> None:
    """Has all sentences written by batches, first those that an earlier run left open.

    Raises CapReached when the budget held only a part, which is written; AnswerError when requests
    failed; BadArgument while another session does this for the collection.
    """
    client = require_client(situator.session.anthropic_client(), DOING)
    runner = _Batches(situator, client, poll_seconds, progress)
    with closing(connect_alone(situator.session.database)) as session:
        parameters = {"collection": situator.collection}
        row = session.execute(queries.LOCK_CONTEXT_BATCHES, parameters).fetchone()
        if not (row and row[0]):
            raise BadArgument(
                f'another session runs batches for "{situator.collection}": wait for it'
            )
        try:
            runner.finish_open()
            capped = runner.submit_all(blocks)
            runner.finish_open()
        finally:
            situator.budget.spent += runner.taken
            # Closing the session would do it as well, but some time after this returned.
            session.execute(queries.UNLOCK_CONTEXT_BATCHES)
    if runner.failed:
        raise AnswerError(f"{runner.failed:,} requests of a batch failed ({runner.why})")
    if capped:
        raise capped


@dataclass(slots=True)
class _Batches:
    situator: Situator
    client: Any
    poll_seconds: float
    progress: ContextProgress | None
    failed: int = 0
    why: str = ""
    taken: Usage = field(default_factory=Usage)

    @property
    def _database(self) -> Database:
        return self.situator.session.database

    # Submitting

    def submit_all(self, blocks: Iterable[Block]) -> CapReached | None:
        """Submits what is not stored, as far as the budget goes; returns what it says then."""
        waiting: dict[bytes, Call] = {}
        expected, size = Usage(), 0
        for *_, asks in blocks:
            stored = self.situator.stored(asks)
            for group in plan(ask for ask in asks if ask.key not in stored):
                for call in (one for one in group if one.ask.key not in waiting):
                    try:
                        self.situator.budget.check(expected + call.expected)
                    except CapReached as reached:
                        self._submit(waiting)
                        return reached
                    waiting[call.ask.key] = call
                    expected += call.expected
                    size += len(json.dumps(request(call, self.situator.model, hour=True)))
                    if len(waiting) >= _MOST_REQUESTS or size >= _MOST_BYTES:
                        self._submit(waiting)
                        waiting, size = {}, 0
        self._submit(waiting)
        return None

    def _submit(self, calls: dict[bytes, Call]) -> None:
        if not calls:
            return
        import anthropic

        batch_id, keys = self._reserve(calls)
        if batch_id is None:
            return
        requests = [
            {"custom_id": key.hex(), "params": request(calls[key], self.situator.model, hour=True)}
            for key in keys
        ]
        try:
            # No retry of the SDK's own: a submission whose answer was lost would be made twice.
            with api_errors():
                made = self.client.with_options(max_retries=0).messages.batches.create(
                    requests=requests
                )
        except AnswerError as error:
            cause = error.__cause__
            if isinstance(cause, anthropic.APIStatusError) and cause.status_code < 500:
                self._finish(batch_id, str(error))  # refused: nothing was submitted
            raise
        self._note(batch_id, made.processing_status, made.id)

    def _reserve(self, calls: dict[bytes, Call]) -> tuple[int | None, list[bytes]]:
        """Returns the id of a new batch and which of the calls it shall make: none twice."""
        asks = [call.ask for call in calls.values()]
        parameters = {
            "collection": self.situator.collection,
            "model": self.situator.model,
            "asked_hashes": [ask.key for ask in asks],
            "document_hashes": [ask.document_hash for ask in asks],
        }
        rows = self._database.rows(queries.START_CONTEXT_BATCH, **parameters)
        reserved = {bytes(row["asked_hash"]) for row in rows}
        # In the order of the plan, so that what writes a cache comes before what reads it.
        return (rows[0]["batch_id"] if rows else None), [key for key in calls if key in reserved]

    # Waiting and storing

    def finish_open(self) -> None:
        """Waits for each open batch of the collection and stores what it brought."""
        for batch in self._all():
            if batch.ended_at is None:
                name = batch.provider_batch_id or self._find(batch)
                if name is None:
                    self._finish(batch.id, "it was never submitted")
                else:
                    self._wait(batch, name)
                    self._store(batch, name)

    def _all(self) -> list[Batch]:
        parameters = {"collection": self.situator.collection}
        return self._database.records(Batch, queries.CONTEXT_BATCHES, **parameters)

    def _find(self, batch: Batch) -> str | None:
        """Returns the API's name of a batch whose submission was cut off, None: there is none.

        The API tells what a batch asks for only when it has ended.
        """
        known = {one.provider_batch_id for one in self._all()}
        keys = self._keys(batch)
        with api_errors():
            for one in self.client.messages.batches.list(limit=100):
                if one.created_at < batch.created_at - _CLOCKS_DIFFER:
                    return None  # the newest come first
                if one.id in known or _requests(one) != batch.request_count:
                    continue
                self._wait(batch, one.id)
                first = next(iter(self.client.messages.batches.results(one.id)), None)
                if first is not None and first.custom_id in keys:
                    self._note(batch.id, "ended by the API", one.id)
                    return str(one.id)
        return None

    def _keys(self, batch: Batch) -> set[str]:
        found = self._database.column(queries.ASKED_IN_BATCH, batch_id=batch.id)
        return {bytes(key).hex() for key in found}

    def _wait(self, batch: Batch, name: str) -> None:
        while True:
            with api_errors():
                found = self.client.messages.batches.retrieve(name)
            total = _requests(found)
            if self.progress:
                self.progress(total - found.request_counts.processing, total)
            if found.processing_status == "ended":
                return
            if batch.provider_batch_id == name and batch.state != found.processing_status:
                self._note(batch.id, found.processing_status)
            time.sleep(self.poll_seconds)

    def _store(self, batch: Batch, name: str) -> None:
        failed, why = 0, None
        with api_errors():
            for one in self.client.messages.batches.results(name):
                if one.result.type == "succeeded":
                    self._fill(batch.id, bytes.fromhex(one.custom_id), one.result.message)
                else:
                    failed += 1
                    why = why or _reason(one.result)
        self.failed += failed
        self.why = self.why or why or ""
        self._finish(batch.id, f"{failed} of {batch.request_count}: {why}" if failed else None)

    def _fill(self, batch_id: int, key: bytes, message: Any) -> None:
        sentence, problem = read_sentence(message)
        self.taken += usage_of(message)
        row = row_of(key, sentence, problem, usage_of(message)) | {"batch_id": batch_id}
        self._database.execute(queries.FILL_CONTEXT, **row)

    def _note(self, batch_id: int, state: str, name: str | None = None) -> None:
        self._database.execute(
            queries.NOTE_CONTEXT_BATCH, batch_id=batch_id, state=state, provider_batch_id=name
        )

    def _finish(self, batch_id: int, error: str | None) -> None:
        self._database.execute(queries.FINISH_CONTEXT_BATCH, batch_id=batch_id, error=error)


def _requests(batch: Any) -> int:
    counts = batch.request_counts
    return int(
        counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
    )


def _reason(result: Any) -> str:
    """Returns why a request of a batch brought nothing."""
    if result.type == "errored":
        return str(result.error.error.message)
    return str(result.type)
