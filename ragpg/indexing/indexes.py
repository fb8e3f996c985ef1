"""Search indexes of a collection: made, filled, activated, rolled back, measured, dropped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ragpg.arguments import tells
from ragpg.contexts import (
    ContextEstimate,
    ContextProgress,
    Situator,
    context_costs,
    estimate,
    run_batches,
)
from ragpg.errors import BadArgument, RagpgError
from ragpg.indexing import index_queries, queries
from ragpg.indexing.indexer import Indexer, cut
from ragpg.indexing.recipes import make_index, tokens_of_chunk, tokens_of_context
from ragpg.indexing.worker import Worker, WorkReport
from ragpg.models import Budget, Embedder, EmbedFunction, Usage, as_embedder
from ragpg.session import SearchIndex, Session

if TYPE_CHECKING:
    from ragpg.indexing.tally import AddProgress


@tells
@dataclass(frozen=True, slots=True)
class Indexes:
    """The search indexes of a collection: `collection.indexes`."""

    session: Session
    collection: str

    def status(self) -> list[dict[str, Any]]:
        """Returns the collection's rows of the view index_health."""
        return self.session.database.rows(index_queries.INDEX_STATUS, collection=self.collection)

    def create(
        self,
        *,
        chunk_tokens: int | None = None,
        overlap_tokens: int = 0,
        language: str | None = None,
        model: str | Embedder | EmbedFunction | None = None,
        context_model: str | None = None,
        quantize: str | None = None,
    ) -> SearchIndex:
        """Makes another search index with all documents queued for it; searches do not use it yet.

        `fill` or workers fill it. What is not given is as in the active one; `model` is another
        model instead of the active one's, itself or by a name that `open_embedder` takes. With a
        `context_model` that language model writes a sentence of context per chunk, which costs
        money: `estimate_contexts` before, `write_contexts` with a cap then. `quantize`: see there.
        """
        active = self.session.active_index(self.collection)
        embedder, tokens = self._recipe(active, model, chunk_tokens)
        made = make_index(
            self.session,
            index_queries.CREATE_SEARCH_INDEX,
            embedder,
            collection=self.collection,
            chunk_tokens=tokens,
            overlap_tokens=overlap_tokens,
            language=language or (active.language if active else "english"),
            context_model=context_model,
            context_tokens=tokens_of_context(tokens) if context_model else 0,
        )
        if quantize:
            try:
                self.quantize(made.id, quantize)
            except RagpgError:
                self.drop(made.id)
                raise
        return made

    def quantize(self, index_id: int, quantize: str = "auto") -> str:
        """Sets how much of the embeddings the vector index holds; returns it.

        "none" of them is left out; "bit" leaves a bit of each number, "subvector:256" the first 256
        of them (of models trained for it: Matryoshka), and what is nearest by these is ordered by
        the embeddings; "auto" is bit where a whole one would be larger than effective_cache_size.
        One that answers gets its vector index built anew: searches go on
        meanwhile, writing waits. Look at `measure_recall` and `tune_ef_search` then.
        """
        return str(
            self.session.database.value(
                index_queries.QUANTIZE_SEARCH_INDEX, index_id=index_id, quantize=quantize
            )
        )

    def _recipe(
        self,
        active: SearchIndex | None,
        model: str | Embedder | EmbedFunction | None,
        chunk_tokens: int | None,
    ) -> tuple[Embedder, int]:
        if model:
            embedder = as_embedder(model)
        else:
            embedder = self.session.embedder_for(active) if active else self.session.embedder
        wanted = chunk_tokens or (active.chunk_tokens if active else None)
        return embedder, tokens_of_chunk(wanted, embedder)

    def fill(self, index_id: int, progress: AddProgress | None = None) -> WorkReport:
        """Indexes all that waits for a search index and makes it ready to be activated.

        Sentences of context that are not written are asked for without a cap: `write_contexts`
        before it has one.
        """
        database = self.session.database
        self.session.search_index(index_id)  # raises when there is none
        total = database.value(index_queries.PENDING_DOCUMENTS, index_id=index_id)

        def listen(done: WorkReport) -> None:
            documents, chunks = done.indexed + done.failed, done.chunks_embedded
            if progress:
                share = min(documents / max(total, 1), 1.0)
                progress(documents=documents, total=total, chunks=chunks, share=share)

        report = Worker(self.session, index_id=index_id, on_progress=listen).drain()
        database.execute(queries.REFRESH_SEARCH_INDEX, index_id=index_id)
        return report

    def activate(self, index_id: int, *, incomplete: bool = False) -> None:
        """Lets a search index answer for its collection from now on, atomically.

        Raises SearchIndexError when documents wait for it, unless `incomplete`.
        """
        self.session.database.execute(
            index_queries.ACTIVATE_SEARCH_INDEX, index_id=index_id, incomplete=incomplete
        )

    def rollback(self) -> int:
        """Activates the search index that was active before; returns its id."""
        found = self.session.database.value(
            index_queries.ROLLBACK_SEARCH_INDEX, collection=self.collection
        )
        return int(found)

    def drop(self, index_id: int) -> None:
        """Drops a search index with its chunks; raises SearchIndexError when it is active."""
        self.session.database.execute(index_queries.DROP_SEARCH_INDEX, index_id=index_id)

    # How well the vector index finds what an exact search finds

    def measure_recall(
        self, *, k: int = 10, queries_asked: int = 100, index_id: int | None = None
    ) -> dict[str, Any]:
        """Returns what share of the k nearest chunks the vector index finds, and keeps it.

        Of the active search index, or of `index_id`, before it is activated.
        """
        (row,) = self.session.database.rows(
            index_queries.MEASURE_RECALL,
            collection=self.collection,
            k=k,
            queries=queries_asked,
            index_id=index_id,
        )
        return row

    def tune_ef_search(
        self,
        *,
        recall: float = 0.98,
        k: int = 10,
        queries_asked: int = 100,
        index_id: int | None = None,
    ) -> dict[str, Any]:
        """Stores the smallest ef_search that reaches the recall; returns its measurement."""
        (row,) = self.session.database.rows(
            index_queries.TUNE_EF_SEARCH,
            collection=self.collection,
            recall=recall,
            k=k,
            queries=queries_asked,
            index_id=index_id,
        )
        return row

    # Sentences of context

    def estimate_contexts(
        self,
        context_model: str,
        *,
        chunk_tokens: int | None = None,
        overlap_tokens: int = 0,
        model: str | None = None,
        batch: bool = False,
    ) -> ContextEstimate:
        """Returns what a contextual search index of this recipe will take; asks and makes nothing.

        What is not given is as for `create`.
        """
        active = self.session.active_index(self.collection)
        embedder, tokens = self._recipe(active, model, chunk_tokens)
        cut_one = partial(
            cut,
            embedder=embedder,
            chunk_tokens=tokens,
            overlap_tokens=overlap_tokens,
            context_tokens=tokens_of_context(tokens),
        )
        situator = Situator(self.session, self.collection, context_model)
        return estimate(situator, situator.waiting_asks(None, cut_one), batch=batch)

    def estimate_missing_contexts(self, index_id: int, *, batch: bool = False) -> ContextEstimate:
        """Returns what the sentences a contextual search index lacks will take; asks nothing."""
        index = self.session.search_index(index_id)
        if index.context_model is None:
            raise BadArgument(f"search index {index_id} takes no sentences of context")
        situator = Situator.of(self.session, index)
        blocks = situator.waiting_asks(index.id, Indexer(self.session, index).cut)
        return estimate(situator, blocks, batch=batch)

    def write_contexts(
        self,
        index_id: int,
        budget: Budget | None = None,
        *,
        batch: bool = False,
        poll_seconds: float = 60.0,
        progress: ContextProgress | None = None,
    ) -> Usage:
        """Has the sentences written that a contextual search index lacks; returns what it took.

        Each is stored as it comes: interrupted, the next call goes on. With `batch` through the
        Message Batches API. Raises CapReached where the budget ends, AnswerError when there is no
        API key or the API fails.
        """
        index = self.session.search_index(index_id)
        budget = budget or Budget()
        if index.context_model is None:
            return budget.spent
        situator = Situator.of(self.session, index, budget)
        blocks = situator.waiting_asks(index.id, Indexer(self.session, index).cut)
        if batch:
            run_batches(situator, blocks, poll_seconds=poll_seconds, progress=progress)
            return budget.spent
        for done, total, asks in blocks:
            situator.write(asks)
            if progress:
                progress(done, total)
        return budget.spent

    def context_costs(self) -> list[dict[str, Any]]:
        """Returns the rows of the view context_costs: sentences of context, tokens, cost."""
        return context_costs(self.session, self.collection)
