"""What is embedded together: soon stored, and lost by a crash at most."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
FEWEST, MOST = 32, 512  # chunks: padding costs more in smaller batches, nothing less in larger ones
SECONDS = 2.0  # shall a batch take: 32 to 64 chunks on two cores, 512 on a graphics card


def in_batches(documents: Iterable[T], chunks_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Yields the documents in batches, as large as were done in two seconds before."""
    batch: list[T] = []
    chunks, size = 0, FEWEST
    for one in documents:
        batch.append(one)
        chunks += chunks_of(one)
        if chunks >= size:
            started = time.monotonic()
            yield batch
            rate = chunks / max(time.monotonic() - started, 0.001)
            size = max(FEWEST, min(MOST, int(rate * SECONDS)))
            batch, chunks = [], 0
    if batch:
        yield batch
