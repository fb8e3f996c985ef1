"""How far an ingest is: by its chunks, for a document may have one of them or thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragpg.indexing.tally import AddProgress, Tally


def tell(tally: Tally, listener: AddProgress) -> None:
    """Tells a listener how many documents and what share of the chunks are done."""
    done = tally.added + tally.updated + tally.unchanged + len(tally.failures)
    share = _share(tally) if tally.cut else done / max(tally.total, 1)
    listener(
        documents=done, total=tally.total, chunks=tally.embedded, share=min(max(share, 0.0), 1.0)
    )


def _share(tally: Tally) -> float:
    """Returns the share of the chunks, those of documents that were not read yet estimated."""
    changed = max(tally.total - tally.unchanged - len(tally.failures), tally.read)
    return (tally.embedded + tally.reused) * tally.read / (tally.cut * changed)
