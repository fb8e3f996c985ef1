"""What a person does where retrieval cannot mend it: `collection.finetuning`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragpg.arguments import tells
from ragpg.finetuning import datasets, queries
from ragpg.search import search
from ragpg.session import Session

if TYPE_CHECKING:
    from ragpg.finetuning.embedder import EmbedderTraining


@tells
@dataclass(frozen=True, slots=True)
class Finetuning:
    """Whether fine-tuning is called for, and with what."""

    session: Session
    collection: str

    def advise(self) -> list[dict[str, str]]:
        """Returns the rows of `ragpg.advise`: retrieval, fine-tuning, the prompt, or neither."""
        return self.session.database.rows(queries.ADVISE, collection=self.collection)

    def export(
        self,
        path: Path,
        *,
        evaluation_set: str | None = None,
        statement: str | None = None,
        k: int | None = 8,
        **options: Any,
    ) -> datasets.Export:
        """Writes a chat dataset (`datasets.export` has the options) from what people vouched for.

        Or from one evaluation set, or from a query with question and answer. The k hits of each
        question stand before it; with k None the facts are to be learned.
        """
        rows = datasets.examples(self.session.database, self.collection, evaluation_set, statement)
        hits = None if k is None else partial(search, self.session, self.collection, k=k)
        return datasets.export(rows, path, search=hits, **options)

    def embedder(
        self,
        evaluation_set: str = "default",
        *,
        folder: Path | None = None,
        limit: int | None = None,
    ) -> EmbedderTraining:
        """Returns a training of the active embedding model: its plan, and `run`."""
        from ragpg.finetuning.embedder import EmbedderTraining

        return EmbedderTraining(
            self.session, self.collection, evaluation_set, folder=folder, limit=limit
        )
