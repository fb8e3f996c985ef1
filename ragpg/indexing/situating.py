"""Sentences of context for chunks: asked of the model, stored each as it comes, none paid twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from psycopg.rows import class_row

from ragpg import queries
from ragpg.answer.answering import MessagesClient, ask_model
from ragpg.chunking import ChunkSpan
from ragpg.database.connection import Database
from ragpg.errors import AnswerError
from ragpg.indexing.contextual import Ask, Call, asks_of, plan, read_sentence, request
from ragpg.models.calls import Budget, Prices, Usage, require_client, usage_of
from ragpg.reading import LoadedDocument

DOING = "writing sentences of context"
# Calls at once; and how many are planned together: they end well within the five minutes for
# which the cache holds their documents.
_CALLS_AT_ONCE = 8
_BLOCK_ASKS = 64
_BLOCK_DOCUMENTS = 32

Progress = Callable[[int, int], None]
# Documents done, documents in all, and what is to be asked about the last of them.
Block = tuple[int, int, list[Ask]]


@dataclass(slots=True)
class Situator:
    """Has the model situate chunks of one collection, within a budget."""

    database: Database
    collection: str
    model: str
    client: MessagesClient | None
    budget: Budget = field(default_factory=Budget)

    def write(self, asks: Sequence[Ask]) -> dict[bytes, str]:
        """Returns the sentence of each ask by its key, the empty one where there is none.

        What is stored is not asked again. Raises CapReached before a call the budget does not
        hold, AnswerError when the API fails or an open batch shall bring a sentence; what was
        written until then is kept.
        """
        sentences = self.known(asks)
        missing = [ask for ask in asks if ask.key not in sentences]
        for calls in plan(missing):
            sentences.update(self._ask_all(calls))
        return sentences

    def known(self, asks: Sequence[Ask]) -> dict[bytes, str]:
        """Returns the sentences that are stored; raises AnswerError when a batch holds some."""
        stored = self.stored(asks)
        open_ones = sum(sentence is None for sentence in stored.values())
        if open_ones:
            raise AnswerError(
                f"{open_ones:,} sentences of context are asked for in a batch that is under way: "
                "ragpg index continue ID --batch waits for it"
            )
        return {key: sentence for key, sentence in stored.items() if sentence is not None}

    def stored(self, asks: Sequence[Ask]) -> dict[bytes, str | None]:
        """Returns what is known of the asks: a sentence, or None where a batch shall bring it."""
        parameters = {"collection": self.collection, "asked_hashes": [ask.key for ask in asks]}
        with self.database.connection() as connection:
            rows = connection.execute(queries.KNOWN_CONTEXTS, parameters).fetchall()
        return {bytes(key): sentence for key, sentence in rows}

    def _ask_all(self, calls: list[Call]) -> dict[bytes, str]:
        if not calls:
            return {}
        client = require_client(self.client, DOING)
        pool = ThreadPoolExecutor(min(_CALLS_AT_ONCE, len(calls)))
        try:
            futures = [pool.submit(self._ask, client, call) for call in calls]
            return {
                call.ask.key: future.result() for call, future in zip(calls, futures, strict=True)
            }
        finally:  # those under way are paid for: they end and are stored
            pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, client: MessagesClient, call: Call) -> str:
        with self.budget.reserved(call.at_most) as settle:
            message = ask_model(client, request(call, self.model))
            settle.usage = usage_of(message)
        sentence, problem = read_sentence(message)
        told = {
            "collection": self.collection,
            "document_hash": call.ask.document_hash,
            "model": self.model,
        }
        with self.database.connection() as connection:
            connection.execute(
                queries.PUT_CONTEXT, told | row_of(call.ask.key, sentence, problem, settle.usage)
            )
        return sentence


def row_of(key: bytes, sentence: str, problem: str | None, usage: Usage) -> dict[str, Any]:
    """Returns what is stored of an answer."""
    return {
        "asked_hash": key,
        "sentence": sentence,
        "problem": problem,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_creation_tokens": usage.cache_creation_tokens,
    }


# All that waits for a search index --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    content: str
    title: str
    media_type: str

    def document(self) -> LoadedDocument:
        return LoadedDocument(self.title, self.content, self.media_type, {})


@dataclass(slots=True)
class ContextEstimate:
    """What the sentences will take, before any call: `usage` and `cost` are guesses.

    `cost` is by ragpg.model_prices, None when the model is not there. `known` chunks have their
    sentence already or wait for a batch.
    """

    model: str
    documents: int = 0
    chunks: int = 0
    known: int = 0
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = None


def waiting_asks(
    database: Database,
    collection: str,
    index_id: int | None,
    model: str,
    cut: Callable[[LoadedDocument], Sequence[ChunkSpan]],
) -> Iterator[Block]:
    """Yields what is to be asked about the documents a search index lacks; all, without one."""
    parameters = {"collection": collection, "index_id": index_id}
    with database.connection() as connection:
        rows = connection.execute(queries.DOCUMENTS_TO_SITUATE, parameters).fetchall()
    ids = [document_id for (document_id,) in rows]
    for first in range(0, len(ids), _BLOCK_DOCUMENTS):
        block = ids[first : first + _BLOCK_DOCUMENTS]
        asks: list[Ask] = []
        for place, text in enumerate(_texts(database, block), first + 1):
            asks += asks_of(text.document(), cut(text.document()), model)
            if len(asks) >= _BLOCK_ASKS:
                yield place, len(ids), asks
                asks = []
        yield min(first + _BLOCK_DOCUMENTS, len(ids)), len(ids), asks


def _texts(database: Database, ids: list[int]) -> list[_Text]:
    with (
        database.connection() as connection,
        connection.cursor(row_factory=class_row(_Text)) as cursor,
    ):
        return cursor.execute(queries.TEXTS_OF_DOCUMENTS, {"document_ids": ids}).fetchall()


def estimate(
    situator: Situator,
    blocks: Iterable[Block],
    prices: Prices | None,
    *,
    batch: bool = False,
) -> ContextEstimate:
    """Returns what writing the sentences will take; asks nothing."""
    found = ContextEstimate(situator.model)
    for _, total, asks in blocks:
        stored = situator.stored(asks)
        missing = [ask for ask in asks if ask.key not in stored]
        calls = [call for group in plan(missing) for call in group]
        found.documents = total
        found.chunks += len(asks)
        found.known += len(asks) - len(missing)
        found.calls += len(calls)
        found.usage = sum((call.expected for call in calls), found.usage)
    found.cost = None if prices is None else found.usage.cost(prices, batch=batch)
    return found
