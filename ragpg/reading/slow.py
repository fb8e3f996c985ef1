"""Which file takes long is told while it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLOW_SECONDS = 10.0


@contextmanager
def told_if_slow(tell: Callable[[str], None]) -> Iterator[None]:
    """Has a listener told once that what happens meanwhile takes long."""
    timer = threading.Timer(SLOW_SECONDS, tell, [f"takes more than {SLOW_SECONDS:.0f} s to read"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
