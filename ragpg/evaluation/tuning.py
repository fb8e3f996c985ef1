"""`ragpg tune`: which settings are best for these questions, and is that more than chance?

A bounded search, one thing after the other (coordinate descent): for each search index of the
collection, and each chunk size and overlap asked for, the weight of the vector leg, then candidates
and ef_search for the best. Settings are chosen on one half of the questions and judged on the other
(`ragpg_internal.evaluation_split`). Other chunk sizes are given as much text to read, not as many
hits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ragpg.database import Connection, Database
from ragpg.errors import BadArgument, SearchIndexError
from ragpg.evaluation import evaluating, queries
from ragpg.evaluation.evaluating import Difference
from ragpg.indexing.indexes import Indexes
from ragpg.models import HalfVector
from ragpg.session import SearchIndex, Session

WEIGHTS = (None, 0.0, 0.3, 0.45, 0.55, 0.65, 0.75, 0.85, 1.0)
CANDIDATES = (50, 100, 200)
EF_SEARCH = (40, 100, 200)
ENOUGH = 0.002  # a cheaper setting that loses less than this is as good
FEWEST_QUESTIONS = 5  # of each half
Progress = Callable[[int, int, str], None]
"""Told how many questions or documents are done, of how many, and of what."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What of a search index can be changed without building another.

    A vector weight of None follows each question.
    """

    index_id: int
    vector_weight: float | None
    candidates: int
    ef_search: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A row of `ragpg.rank_runs`: settings with their quality on both halves, and their cost."""

    run_id: int
    index_id: int
    embedding_model: str
    chunk_tokens: int
    overlap_tokens: int
    k: int
    vector_weight: float | None
    candidates: int
    ef_search: int
    train_ndcg: float
    train_span_recall: float
    held_out_ndcg: float
    held_out_span_recall: float
    latency_p50_ms: float
    index_bytes: int | None
    best_trade: bool

    @property
    def settings(self) -> Settings:
        return Settings(self.index_id, self.vector_weight, self.candidates, self.ef_search)


@dataclass(frozen=True, slots=True)
class Tuning:
    """All trials, best first, the present settings, what is proposed, and how they differ.

    `difference` is measured on the half nothing was chosen on; None when the present settings are
    the proposal.
    """

    trials: list[Trial]
    present: Trial
    proposal: Trial
    difference: Difference | None

    @property
    def is_better(self) -> bool:
        """Whether the proposal is better by more than chance."""
        return self.difference is not None and self.difference.low > 0


def tune(
    session: Session,
    collection: str,
    name: str = "default",
    *,
    k: int = 10,
    chunk_tokens: Sequence[int] = (),
    overlap_tokens: Sequence[int] = (),
    most_questions: int = 300,
    progress: Progress | None = None,
) -> Tuning:
    """Tries settings and proposes; changes none.

    Builds a search index for each of `chunk_tokens` with each of `overlap_tokens` that has none
    (the active one's value stands in for none). Of the runs only those of the present settings and
    the proposal stay. Raises BadArgument with fewer than five labelled questions in either half,
    and for an overlap that is not less than a chunk.
    """
    search = _Search(session, collection, name, k, most_questions, progress or (lambda *_: None))
    kept: tuple[int, ...] = ()
    try:
        (present,) = search.try_all([search.settings(search.active.id)])
        best = [present]
        for index_id in search.index_ids(chunk_tokens, overlap_tokens):
            given = search.settings(index_id)
            tried = search.try_all([replace(given, vector_weight=weight) for weight in WEIGHTS])
            best.append(max(tried, key=lambda one: one.train_ndcg))
        chosen = max(best, key=lambda one: (one.train_span_recall, one.train_ndcg))
        for cheapest_first in (
            [replace(chosen.settings, candidates=value) for value in CANDIDATES],
            [replace(chosen.settings, ef_search=value) for value in EF_SEARCH],
        ):
            tried = search.try_all(cheapest_first)
            enough = max(chosen.train_ndcg, *(one.train_ndcg for one in tried)) - ENOUGH
            chosen = next((one for one in tried if one.train_ndcg >= enough), chosen)
        difference = None
        if chosen.settings != present.settings:
            measure = "ndcg" if chosen.index_id == present.index_id else "span_recall"
            compared = evaluating.compare_runs(
                search.database, present.run_id, chosen.run_id, split="held-out"
            )
            (difference,) = [one for one in compared if one.measure == measure]
        kept = (present.run_id, chosen.run_id)
        return Tuning(search.ranked(search.runs.values()), present, chosen, difference)
    finally:
        search.forget(set(search.runs.values()) - set(kept))


def apply(database: Database, trial: Trial, *, is_active: bool) -> None:
    """Stores a trial's settings with its search index, and activates that where it is not."""
    with database.connection() as connection:  # one transaction
        connection.execute(queries.SET_SEARCH_SETTINGS, asdict(trial.settings))
        connection.execute(queries.KEEP_TRIAL, {"run_id": trial.run_id})
        if not is_active:
            connection.execute(queries.ACTIVATE_TRIED_INDEX, {"index_id": trial.index_id})


class _Search:
    """The trials of one call of `tune`: each settings are tried once."""

    def __init__(
        self, session: Session, collection: str, name: str, k: int, most: int, progress: Progress
    ) -> None:
        self.session = session
        self.collection = collection
        self.indexes = Indexes(session, collection)
        self.database = session.database
        self.name = name
        self.k = k
        self.progress = progress
        self.runs: dict[Settings, int] = {}
        active = session.active_index(collection)
        if active is None:
            raise SearchIndexError(f'the collection "{collection}" has no search index yet')
        self.active = active
        parameters = {"collection": collection, "evaluation_set": name, "most": most}
        rows = self.database.rows(queries.LABELLED_QUESTIONS, **parameters)
        fewest = min(sum(row["split"] == side for row in rows) for side in ("train", "held-out"))
        if fewest < FEWEST_QUESTIONS:
            raise BadArgument(
                f'the evaluation set "{name}" has {len(rows)} labelled questions, and one half of '
                f"them {fewest}: {FEWEST_QUESTIONS} in each are the least to choose by"
            )
        self.questions: dict[int, str] = {row["id"]: row["question"] for row in rows}

    def index_ids(self, chunk_tokens: Sequence[int], overlap_tokens: Sequence[int]) -> list[int]:
        """Returns the complete search indexes, the active one first, and one for each recipe."""
        known = {
            row["index_id"]: row
            for row in self.indexes.status()
            if row["state"] == "ready" and not row["pending_documents"]
        }
        recipes: list[tuple[int, int]] = []
        if chunk_tokens or overlap_tokens:
            sizes = chunk_tokens or [self.active.chunk_tokens]
            overlaps = overlap_tokens or [self.active.overlap_tokens]
            recipes = list(itertools.product(sizes, overlaps))
        for chunk, overlap in recipes:
            if not 0 <= overlap < chunk:
                raise BadArgument(f"chunks of {chunk} tokens cannot overlap by {overlap}")
        built = {  # by this recipe but for them
            (row["chunk_tokens"], row["overlap_tokens"])
            for row in known.values()
            if (row["embedding_model"], row["language"]) == (self.active.name, self.active.language)
            and row["context_model"] is None
        }
        ids = sorted(known, key=lambda one: (one != self.active.id, one))
        return ids + [self._build(*one) for one in dict.fromkeys(recipes) if one not in built]

    def _build(self, chunk_tokens: int, overlap_tokens: int) -> int:
        made = self.indexes.create(chunk_tokens=chunk_tokens, overlap_tokens=overlap_tokens)
        what = f"chunks of {chunk_tokens} tokens, overlap {overlap_tokens}"
        self.indexes.fill(
            made.id,
            lambda *, documents, total, chunks, share: self.progress(documents, total, what),
        )
        return made.id

    def settings(self, index_id: int) -> Settings:
        (row,) = self.database.rows(queries.SEARCH_SETTINGS, index_id=index_id)
        return Settings(**row)

    def try_all(self, wanted: Sequence[Settings]) -> list[Trial]:
        """Returns a trial each, in order; asks the questions for those not tried yet."""
        new = [one for one in wanted if one not in self.runs]
        if new:
            index = self.session.search_index(wanted[0].index_id)
            vectors = {
                key: self.session.embed_query(index.collection, text, index.id)
                for key, text in self.questions.items()
            }
            # Others see neither the settings that are tried nor, until its end, the runs.
            with self.database.connection() as connection, connection.transaction():
                before = self.settings(index.id)
                if not any(one.index_id == index.id for one in self.runs):
                    # Else the first settings would pay for what the others find in memory.
                    warming = self._ask(connection, index, before, vectors)
                    connection.execute(queries.DELETE_RUNS, {"run_ids": [warming]})
                for one in new:
                    connection.execute(queries.SET_SEARCH_SETTINGS, asdict(one))
                    self.runs[one] = self._ask(connection, index, one, vectors)
                connection.execute(queries.SET_SEARCH_SETTINGS, asdict(before))
        found = {one.run_id: one for one in self.ranked(self.runs[one] for one in wanted)}
        return [found[self.runs[one]] for one in wanted]

    def _ask(
        self, connection: Connection, index: SearchIndex, settings: Settings, vectors: Any
    ) -> int:
        same_text = round(self.k * self.active.chunk_tokens / index.chunk_tokens)
        parameters = {
            "collection": self.collection,
            "evaluation_set": self.name,
            "k": max(1, same_text),
            "mode": "hybrid",
            "index_id": index.id,
            "note": "tune",
            "is_trial": True,
        }
        row = connection.execute(queries.START_EVALUATION, parameters).fetchone()
        assert row is not None
        weight = (
            "by question" if settings.vector_weight is None else f"{settings.vector_weight:.2g}"
        )
        what = f"{index.chunk_tokens} tokens, weight {weight}"
        for done, (key, vector) in enumerate(vectors.items(), 1):
            embedding = None if vector is None else HalfVector(vector)
            asked = {"run_id": row[0], "question_id": key, "query_embedding": embedding}
            connection.execute(queries.EVALUATE_QUESTION, asked)
            self.progress(done, len(vectors), what)
        connection.execute(queries.FINISH_EVALUATION, {"run_id": row[0]})
        return int(row[0])

    def ranked(self, run_ids: Iterable[int]) -> list[Trial]:
        return self.database.records(Trial, queries.RANK_RUNS, run_ids=list(run_ids))

    def forget(self, run_ids: Iterable[int]) -> None:
        self.database.execute(queries.DELETE_RUNS, run_ids=list(run_ids))
