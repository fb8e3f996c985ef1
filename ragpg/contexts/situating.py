"""Sentences of context for chunks: asked of the model, stored each as it comes, none paid twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ragpg.chunking import ChunkSpan
from ragpg.contexts import queries
from ragpg.contexts.contextual import Ask, Call, asks_of, fit, plan, read_sentence, request
from ragpg.errors import AnswerError
from ragpg.models import Budget, MessagesClient, Prices, Usage, ask_model, require_client, usage_of
from ragpg.reading import LoadedDocument
from ragpg.session import SearchIndex, Session

DOING = "writing sentences of context"
# Calls at once; and how many are planned together: they end well within the five minutes for
# which the cache holds their documents.
_CALLS_AT_ONCE = 8
_BLOCK_ASKS = 64
_BLOCK_DOCUMENTS = 32

ContextProgress = Callable[[int, int], None]
# Documents done, documents in all, and what is to be asked about the last of them.
Block = tuple[int, int, list[Ask]]


@dataclass(slots=True)
class Situator:
    """Has the model situate chunks of one collection, within a budget."""

    session: Session
    collection: str
    model: str
    budget: Budget = field(default_factory=Budget)

    @classmethod
    def of(cls, session: Session, index: SearchIndex, budget: Budget | None = None) -> Situator:
        """Returns the one of a contextual search index; without a budget nothing limits it."""
        assert index.context_model is not None
        return cls(session, index.collection, index.context_model, budget or Budget())

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
        rows = self.session.database.rows(
            queries.KNOWN_CONTEXTS,
            collection=self.collection,
            asked_hashes=[ask.key for ask in asks],
        )
        return {bytes(row["asked_hash"]): row["sentence"] for row in rows}

    def _ask_all(self, calls: list[Call]) -> dict[bytes, str]:
        if not calls:
            return {}
        client = require_client(self.session.anthropic_client(), DOING)
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
        self.session.database.execute(
            queries.PUT_CONTEXT,
            collection=self.collection,
            document_hash=call.ask.document_hash,
            model=self.model,
            **row_of(call.ask.key, sentence, problem, settle.usage),
        )
        return sentence

    def waiting_asks(
        self, index_id: int | None, cut: Callable[[LoadedDocument], Sequence[ChunkSpan]]
    ) -> Iterator[Block]:
        """Yields what is to be asked about the documents a search index lacks; all, without one."""
        database = self.session.database
        ids = database.column(
            queries.DOCUMENTS_TO_SITUATE, collection=self.collection, index_id=index_id
        )
        for first in range(0, len(ids), _BLOCK_DOCUMENTS):
            block = ids[first : first + _BLOCK_DOCUMENTS]
            asks: list[Ask] = []
            texts = database.records(_Text, queries.TEXTS_OF_DOCUMENTS, document_ids=block)
            for place, text in enumerate(texts, first + 1):
                asks += asks_of(text.document(), cut(text.document()), self.model)
                if len(asks) >= _BLOCK_ASKS:
                    yield place, len(ids), asks
                    asks = []
            yield min(first + _BLOCK_DOCUMENTS, len(ids)), len(ids), asks


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


def estimate(
    situator: Situator, blocks: Iterable[Block], *, batch: bool = False
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
    prices = prices_of(situator.session, situator.model)
    found.cost = None if prices is None else found.usage.cost(prices, batch=batch)
    return found


def prices_of(session: Session, model: str) -> Prices | None:
    """Returns the prices ragpg.model_prices has for a model."""
    return session.database.record(Prices, queries.MODEL_PRICES, model=model)


def context_costs(session: Session, collection: str) -> list[dict[str, Any]]:
    """Returns the rows of the view context_costs: sentences of context, tokens, cost."""
    return session.database.rows(queries.CONTEXT_COSTS, collection=collection)


def sentences_of(
    session: Session,
    index: SearchIndex,
    document: LoadedDocument,
    spans: Sequence[ChunkSpan],
    count_tokens: Callable[[str], int],
) -> list[str]:
    """Returns the sentence of each chunk, cut to the room that the index keeps for it."""
    situator = Situator.of(session, index)
    asks = asks_of(document, spans, situator.model)
    written = situator.write(asks)
    # One token of the room is the line break's.
    return [fit(written[one.key], index.context_tokens - 1, count_tokens) for one in asks]
