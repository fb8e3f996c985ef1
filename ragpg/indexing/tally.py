"""What an ingest did: counted while it runs, told to whoever listens, reported at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from ragpg.errors import ConnectionFailed, RagpgError
from ragpg.indexing.inputs import Failure
from ragpg.reading import Skipped, told_of_scans


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an ingest did: documents by outcome, chunks by whether the model had to embed them."""

    added: int
    updated: int
    unchanged: int
    deleted: int
    failed: int
    chunks_embedded: int
    chunks_reused: int
    seconds: float
    failures: tuple[Failure, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    scans: tuple[Skipped, ...] = ()  # whose pages were recognised, or left without their text


class AddProgress(Protocol):
    """Hears how an ingest advances."""

    def __call__(self, *, documents: int, total: int, chunks: int, share: float) -> None:
        """`documents` of `total` are done, `chunks` embedded, and a `share` of all chunks."""


Outcome = Literal["added", "updated", "deleted", "failed", "slow"]
# Hears what becomes of a document: outcome, source, and where it failed or takes long the reason.
OnOutcome = Callable[[Outcome, str, str], None]


@dataclass(slots=True)
class Tally:
    """Counts while an ingest runs."""

    total: int
    progress: AddProgress | None
    started: float
    on_outcome: OnOutcome | None = None
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    read: int = 0  # documents that were cut into
    cut: int = 0  # so many chunks
    embedded: int = 0
    reused: int = 0
    failures: list[Failure] = field(default_factory=list)
    scans: list[Skipped] = field(default_factory=list)

    def tell(self) -> None:
        if self.progress:
            from ragpg.indexing.progress import share_done

            settled = self.unchanged + len(self.failures)
            documents, chunks = self.added + self.updated + settled, self.embedded + self.reused
            counts = {"read": self.read, "cut": self.cut, "done": chunks, "settled": settled}
            share = share_done(documents=documents, of=self.total, **counts)
            self.progress(documents=documents, total=self.total, chunks=self.embedded, share=share)

    def count(self, outcome: str, source: str) -> None:
        """Counts a document that was added, updated, unchanged or deleted."""
        setattr(self, outcome, getattr(self, outcome) + 1)
        if self.on_outcome and outcome != "unchanged":
            self.on_outcome(cast(Outcome, outcome), source, "")
        self.tell()

    def fail_by(self, source: str, error: RagpgError) -> None:
        """Counts a document as failed; a lost connection is no document's fault, and is raised."""
        if isinstance(error, ConnectionFailed):
            raise error
        self.fail(Failure(source, str(error)))

    def slow(self, source: str, reason: str) -> None:
        if self.on_outcome:
            self.on_outcome("slow", source, f"{source} {reason}")

    def note_scans(self, source: str, metadata: dict[str, Any]) -> None:
        if told := told_of_scans(metadata):
            self.scans.append(Skipped(source, told))

    def fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        if self.on_outcome:
            self.on_outcome("failed", failure.source, failure.reason)
        self.tell()

    def report(self, skipped: Sequence[Skipped]) -> AddReport:
        counts = self.added, self.updated, self.unchanged, self.deleted, len(self.failures)
        told = tuple(self.failures), tuple(skipped), tuple(self.scans)
        seconds = round(time.monotonic() - self.started, 3)
        return AddReport(*counts, self.embedded, self.reused, seconds, *told)
