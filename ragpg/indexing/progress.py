"""How far an ingest is: by its chunks, for a document may have one of them or thousands."""

from __future__ import annotations


def share_done(*, documents: int, of: int, read: int, cut: int, done: int, settled: int) -> float:
    """Returns the share of an ingest that is done, from 0 to 1.

    `documents` of all are done, `settled` of them without a chunk to make; of the `read` ones,
    which were cut into so many chunks, `done` are. Those of the others are estimated by these.
    """
    if not cut:
        return min(documents / max(of, 1), 1.0)
    return min(done * read / (cut * max(of - settled, read)), 1.0)
