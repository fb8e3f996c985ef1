"""`ragpg finetune embedder`: trains the active model on what people labelled, and judges it.

Pairs and hard negatives come from `ragpg.training_pairs` and `ragpg_internal.hard_negatives`.
Documents of held-out questions are seen neither as answers nor as negatives. The trained model
gets a search index of its own, never an active one, and the held-out questions are asked of both.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from ragpg.database import Database
from ragpg.errors import BadArgument, EmbeddingError, RagpgError
from ragpg.evaluation import FEWEST_QUESTIONS, Difference, compare_runs, run_set
from ragpg.evaluation import queries as evaluation_queries
from ragpg.finetuning import queries
from ragpg.finetuning.training import Example, Recipe, train
from ragpg.indexing.indexes import Indexes
from ragpg.models import HalfVector, SentenceTransformerEmbedder
from ragpg.session import SearchIndex, Session

FEWEST_PAIRS = 20
Progress = Callable[[int, int, str], None]
"""Told how many examples, documents or questions are done, of how many, and of what."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to learn from and to judge by; `pairs` are what the limit leaves."""

    index_id: int
    base_model: str
    folder: Path
    pairs: int
    held_out_pairs: int
    held_out_documents: int
    held_out_questions: int


@dataclass(frozen=True, slots=True)
class Result:
    """A trained model, its search index, and how both do on the held-out questions.

    `runs` are the evaluation runs of the active search index and of the new one.
    """

    plan: Plan
    negatives: int
    index_id: int
    runs: tuple[int, int]
    measures: list[Difference]
    seconds: float

    @property
    def verdict(self) -> str:
        """One of gain, loss and no gain: whether nDCG changed by more than chance."""
        (ndcg,) = [one for one in self.measures if one.measure == "ndcg"]
        return "no gain" if ndcg.is_noise else "gain" if ndcg.difference > 0 else "loss"


class EmbedderTraining:
    """One training: reads what there is to learn from; nothing is changed before `run`."""

    def __init__(
        self,
        session: Session,
        collection: str,
        evaluation_set: str = "default",
        *,
        folder: Path | None = None,
        limit: int | None = None,
    ) -> None:
        """`limit` is the most pairs to train on; `folder` a new one for the model.

        Raises EmbeddingError for a model whose weights are not here, BadArgument for a folder that
        is there already or a collection without documents.
        """
        self.session = session
        self.collection = collection
        self.indexes = Indexes(session, collection)
        self.database: Database = session.database
        self.evaluation_set = evaluation_set
        self.active = _trainable(session, collection)
        parameters = {"collection": collection, "index_id": self.active.id}
        rows = self.database.rows(queries.TRAINING_PAIRS, **parameters)
        held_out = [row for row in rows if row["split"] == "held-out"]
        self.rows = [row for row in rows if row["split"] == "train"][:limit]
        self.held_out_documents = sorted({row["document_id"] for row in held_out})
        self.plan = Plan(
            index_id=self.active.id,
            base_model=self.active.name,
            folder=self._folder(folder),
            pairs=len(self.rows),
            held_out_pairs=len(held_out),
            held_out_documents=len(self.held_out_documents),
            held_out_questions=self._held_out_questions(),
        )

    def _held_out_questions(self) -> int:
        parameters = {
            "collection": self.collection,
            "evaluation_set": self.evaluation_set,
            "most": None,
        }
        rows = self.database.rows(evaluation_queries.LABELLED_QUESTIONS, **parameters)
        return sum(row["split"] == "held-out" for row in rows)

    def check(self) -> None:
        """Raises BadArgument when there is too little to learn from or to judge by."""
        plan = self.plan
        if plan.pairs < FEWEST_PAIRS:
            raise BadArgument(
                f"there are {plan.pairs} pairs to train on, {FEWEST_PAIRS} are the least: label "
                "more questions (ragpg eval draft drafts some), or collect feedback on answers"
            )
        if plan.held_out_questions < FEWEST_QUESTIONS:
            raise BadArgument(
                f'the evaluation set "{self.evaluation_set}" has {plan.held_out_questions} '
                f"labelled questions held out, {FEWEST_QUESTIONS} are the least to judge by"
            )

    def _folder(self, given: Path | None) -> Path:
        """Returns the folder to make; raises BadArgument when it or a model of its name exists."""
        parameters = {"provider": SentenceTransformerEmbedder.provider}
        rows = self.database.rows(queries.MODEL_NAMES, **parameters)
        known = {row["name"] for row in rows}
        if given is not None:
            folder = given.expanduser().resolve()
            if folder.exists() or str(folder) in known:
                raise BadArgument(f"{folder} is there already or a known model: another --output")
            return folder
        models = (self.session.settings.home / "models").resolve()
        number = 1
        while (folder := models / f"{self.collection}-{number}").exists() or str(folder) in known:
            number += 1
        return folder

    def run(
        self, recipe: Recipe, *, negatives: int = 1, k: int = 10, progress: Progress | None = None
    ) -> Result:
        """Trains, saves, registers, builds a search index and compares; activates nothing.

        Interrupted, no model of it is registered and no search index left; a model that was saved
        whole stays in its folder.
        """
        self.check()
        told = progress or (lambda *_: None)
        started = time.monotonic()
        examples, texts = self._examples(negatives, told)
        self._train(examples, texts, recipe, told)
        made = self._build(told)
        try:
            runs = (self._ask(self.active, k, told), self._ask(made, k, told))
            measures = compare_runs(self.database, *runs, split="held-out")
        except BaseException:
            self._forget(made.id)
            raise
        mined = sum(len(one.negatives) for one in examples)
        seconds = time.monotonic() - started
        return Result(self.plan, mined, made.id, runs, measures, seconds)

    def _examples(self, negatives: int, told: Progress) -> tuple[list[Example], dict[int, str]]:
        """Returns what to train on, with the chunks that search confuses with the answers."""
        base = cast(SentenceTransformerEmbedder, self.session.embedder_for(self.active))
        vectors = base.embed_queries([row["question"] for row in self.rows])
        texts: dict[int, str] = {}
        found: list[Example] = []
        for done, (row, vector) in enumerate(zip(self.rows, vectors, strict=True), 1):
            wrong = self._confused(row, HalfVector(vector), negatives)
            texts |= {row["chunk_id"]: row["text"], **wrong}
            relevant = frozenset(row["relevant_chunk_ids"])
            found.append(Example(row["question"], row["chunk_id"], tuple(wrong), relevant))
            told(done, len(self.rows), "hard negatives")
        return found, texts

    def _confused(self, row: dict[str, Any], vector: HalfVector, wanted: int) -> dict[int, str]:
        parameters = {
            "question": row["question"],
            "relevant_chunk_ids": row["relevant_chunk_ids"],
            "wanted": wanted,
            "collection": self.collection,
            "query_embedding": vector,
            "index_id": self.active.id,
            "excluded_document_ids": self.held_out_documents,
        }
        with self.database.connection() as connection:
            return dict(connection.execute(queries.HARD_NEGATIVES, parameters).fetchall())

    def _train(
        self, examples: Sequence[Example], texts: dict[int, str], recipe: Recipe, told: Progress
    ) -> None:
        """Makes the plan's folder hold the model, whole or not at all."""
        folder = self.plan.folder
        part = folder.with_name(f"{folder.name}.part")
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            train(
                self.plan.base_model,
                examples,
                texts,
                recipe,
                part,
                lambda done, total: told(done, total, "training"),
            )
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _build(self, told: Progress) -> SearchIndex:
        """Returns a search index like the active one with the trained model, filled."""
        made = self.indexes.create(
            overlap_tokens=self.active.overlap_tokens, model=str(self.plan.folder)
        )
        try:
            settings = {"index_id": self.active.id}
            (row,) = self.database.rows(evaluation_queries.SEARCH_SETTINGS, **settings)
            with self.database.connection() as connection:
                connection.execute(
                    evaluation_queries.SET_SEARCH_SETTINGS, {**row, "index_id": made.id}
                )
            report = self.indexes.fill(
                made.id,
                lambda *, documents, total, chunks, share: told(documents, total, "search index"),
            )
            if report.failed:
                raise RagpgError(
                    f"{report.failed} documents could not be indexed with the trained model"
                )
        except BaseException:
            self._forget(made.id)
            raise
        return made

    def _forget(self, index_id: int) -> None:
        self.indexes.drop(index_id)
        parameters = {
            "provider": SentenceTransformerEmbedder.provider,
            "name": str(self.plan.folder),
        }
        self.database.execute(queries.FORGET_UNUSED_MODEL, **parameters)

    def _ask(self, index: SearchIndex, k: int, told: Progress) -> int:
        # Both models in Python: the database may hold one of them and not the other.
        embedder = self.session.embedder_for(index)
        return run_set(
            self.database,
            self.collection,
            self.evaluation_set,
            embedder.embed_query,
            k=k,
            mode="hybrid",
            index_id=index.id,
            note="finetune embedder",
            progress=lambda done, total: told(done, total, f"asking index {index.id}"),
        )


def as_plain(result: Result) -> dict[str, Any]:
    """Returns a result as plain values, for machines."""
    return {
        **asdict(result),
        "plan": {**asdict(result.plan), "folder": str(result.plan.folder)},
        "verdict": result.verdict,
    }


def _trainable(session: Session, collection: str) -> SearchIndex:
    active = session.require_index(collection)
    if active.provider != SentenceTransformerEmbedder.provider:
        raise EmbeddingError(
            f'"{active.name}" of {active.provider} is no sentence-transformers model: its weights '
            "are not here to be trained; ragpg index build --model all-MiniLM-L6-v2 makes a "
            "search index with one that can be"
        )
    return active
