"""What a person does with evaluation sets and runs: `collection.evaluation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

from ragpg import answer as answering
from ragpg import conversation as looking
from ragpg.arguments import tells
from ragpg.errors import BadArgument
from ragpg.evaluation import drafting, evaluating, queries, report, tuning
from ragpg.evaluation.evaluating import Calibration, Difference
from ragpg.evaluation.grading import Grade, grade_answer
from ragpg.models import require_client
from ragpg.search import Mode
from ragpg.session import Session


@tells
@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good retrieval from a collection is, and why not better."""

    session: Session
    collection: str

    # Sets

    def load(self, path: Path, name: str = "default") -> int:
        """Makes an evaluation set hold the questions of a JSONL file; returns how many."""
        return evaluating.load_set(self.session.database, self.collection, name, path)

    def from_feedback(self, name: str = "feedback") -> int:
        """Makes questions of what people said of answers; returns how many.

        By `ragpg.evaluation_from_feedback`.
        """
        found = self.session.database.value(
            queries.EVALUATION_FROM_FEEDBACK, collection=self.collection, evaluation_set=name
        )
        return int(found)

    def lost_labels(self, name: str = "default") -> list[dict[str, Any]]:
        """Returns the labels whose document or quote is not in the collection (any more)."""
        return self._rows(queries.LOST_LABELS, evaluation_set=name)

    # Runs

    def run(
        self,
        name: str = "default",
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        index_id: int | None = None,
        note: str = "",
        is_trial: bool = False,
        answers: bool = False,
        steps: int = 1,
        progress: evaluating.Progress | None = None,
    ) -> int:
        """Asks every question of an evaluation set; returns the run's id.

        A trial, of other settings than those in use, is judged later only where it is named. With
        `answers` each is answered, too, as `Collection.ask` does (hybrid, at most 8 hits),
        and graded where a model is there to do so and the set says what to expect;
        `steps` above 1 let it look again.
        """

        def answer(question: str, expected: str | None) -> tuple[int | None, Grade | None]:
            asked: dict[str, Any] = {"index_id": index_id} | ({"steps": steps} if steps > 1 else {})
            ask = looking.ask if steps > 1 else answering.ask
            given = ask(self.session, self.collection, question, min(k, 8), **asked)
            judge = self.session.anthropic_client()
            if judge is None or expected is None or given.abstained:
                return given.id, None
            model = self.session.settings.answer_model
            return given.id, grade_answer(
                judge, model=model, question=question, expected=expected, answer=given.text
            )

        return evaluating.run_set(
            self.session.database,
            self.collection,
            name,
            lambda question: self.session.embed_query(self.collection, question, index_id),
            k=k,
            mode=mode,
            index_id=index_id,
            note=note,
            is_trial=is_trial,
            answer=answer if answers else None,
            progress=progress,
        )

    def forget(self, *run_ids: int) -> None:
        """Deletes runs, with their results."""
        self.session.database.execute(queries.DELETE_RUNS, run_ids=list(run_ids))

    def runs(self) -> list[dict[str, Any]]:
        """Returns the runs, newest first: rows of the view evaluation_leaderboard."""
        return self._rows(queries.EVALUATION_RUNS)

    def failures(self, run_id: int) -> list[dict[str, Any]]:
        """Returns the questions a run missed and why: rows of the view evaluation_failures."""
        return self.session.database.rows(queries.EVALUATION_FAILURES, run_id=run_id)

    def compare(self, first: int, second: int) -> list[Difference]:
        """Returns what the second run did better or worse than the first, one row a measure."""
        return evaluating.compare_runs(self.session.database, first, second)

    def moved_questions(self, first: int, second: int) -> list[dict[str, Any]]:
        """Returns the questions whose nDCG differs between two runs, most first."""
        return self.session.database.rows(queries.MOVED_QUESTIONS, first=first, second=second)

    def calibrate(self, run_id: int, *, keep: float = 0.95, store: bool = True) -> Calibration:
        """Chooses the similarity below which `ask` abstains, by `ragpg.calibrate`."""
        (found,) = self.session.database.records(
            Calibration, queries.CALIBRATE, run_id=run_id, keep=keep, store=store
        )
        return found

    def report(
        self,
        name: str = "default",
        *,
        run_id: int | None = None,
        against: int | None = None,
        questions: int = 15,
    ) -> report.Report:
        """Returns a self-contained HTML page on a run (the newest) against the one before it."""
        return report.make_report(
            self.session.database,
            self.collection,
            name,
            run_id=run_id,
            against=against,
            questions=questions,
        )

    # Tuning

    def tune(
        self,
        name: str = "default",
        *,
        k: int = 10,
        chunk_tokens: Sequence[int] = (),
        overlap_tokens: Sequence[int] = (),
        most_questions: int = 300,
        progress: tuning.Progress | None = None,
    ) -> tuning.Tuning:
        """Tries settings on an evaluation set and proposes the best; changes none."""
        return tuning.tune(
            self.session,
            self.collection,
            name,
            k=k,
            chunk_tokens=chunk_tokens,
            overlap_tokens=overlap_tokens,
            most_questions=most_questions,
            progress=progress,
        )

    def use(self, trial: tuning.Trial) -> None:
        """Stores a trial's settings with its search index and makes that the active one."""
        active = self.session.require_index(self.collection)
        tuning.apply(self.session.database, trial, is_active=active.id == trial.index_id)

    # Drafts

    def draft(
        self, name: str = "default", count: int = 20, *, max_tokens: int = 200_000
    ) -> drafting.DraftReport:
        """Lets Claude draft a question from each of some passages; no run asks one yet.

        `accept` makes one a question. `max_tokens` caps what is read and written.
        """
        database = self.session.database
        return drafting.draft_questions(
            database,
            self.collection,
            name,
            drafting.sample_passages(database, self.collection, name, count),
            require_client(self.session.anthropic_client(), "drafting"),
            model=self.session.settings.answer_model,
            max_tokens=max_tokens,
        )

    def drafts(self, name: str = "default") -> list[dict[str, Any]]:
        """Returns the drafted questions that wait for a person, with the text around the quote."""
        return self._rows(queries.DRAFTS, evaluation_set=name)

    def accept(self, draft_id: int) -> None:
        """Makes a drafted question one of its evaluation set; BadArgument when that has it."""
        self.session.database.execute(queries.ACCEPT_DRAFT, draft_id=draft_id)

    def reject(self, draft_id: int) -> None:
        """Drops a drafted question from those that wait, and its passage from further drafting."""
        self.session.database.execute(queries.REJECT_DRAFT, draft_id=draft_id)

    def edit(self, draft_id: int, question: str, expected_answer: str) -> None:
        """Changes the text of a draft, which stays one; BadArgument when another asks that."""
        changed = {"question": question, "expected_answer": expected_answer}
        if not self.session.database.rows(queries.EDIT_DRAFT, draft_id=draft_id, **changed):
            raise BadArgument("another draft of the set asks this already")

    def _rows(self, statement: LiteralString, **parameters: Any) -> list[dict[str, Any]]:
        return self.session.database.rows(statement, collection=self.collection, **parameters)
